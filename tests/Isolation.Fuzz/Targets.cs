using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using System.Text.Json;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Namespaces;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Net.Tests;
using Isolation.Net.TrafficControl;
using Isolation.Security;

namespace Isolation.Fuzz;

/// <summary>What is fuzzed, by name. Any input is a value or the one kind of error that the decoder's documentation names;
/// and a value that is written is read back.</summary>
internal static class Targets
{
    internal static IReadOnlyDictionary<string, Action<byte[]>> All { get; } = new SortedDictionary<string, Action<byte[]>>(
        StringComparer.Ordinal)
    {
        ["netlink-messages"] = Messages,
        ["netlink-attributes"] = Attributes,
        ["nft"] = Nft,
        ["mountinfo"] = Text(t => Try(() => MountInfo.Parse(t))),
        ["cgroup-paths"] = Text(CgroupPaths),
        ["cgroup-files"] = CgroupFiles,
        ["seccomp-json"] = Text(Seccomp),
        ["spec-json"] = Text(Spec),
        ["network-json"] = Text(Network),
        ["id-maps"] = Text(t => ReadsBack(t, IdMap.Parse)),
        ["subid"] = Text(SubIds),
        ["users"] = Text(Users),
        ["sizes"] = Text(Sizes),
        ["cidr"] = Text(Cidr),
        ["ports"] = Text(Ports),
        ["status"] = Text(Status),
    };

    // What a decoder of bytes is told besides them comes first.
    internal static void WriteSeeds(string directory)
    {
        byte[][] bodies = Decoders.Seeds();
        foreach ((string target, int kinds) in new[] { ("netlink-attributes", Kept.AttributeDecoders.Length), ("nft", 24) })
        {
            string place = Directory.CreateDirectory(Path.Combine(directory, target)).FullName;
            for (int i = 0; i < bodies.Length; i++)
                File.WriteAllBytes(Path.Combine(place, string.Create(CultureInfo.InvariantCulture, $"seed{i:d2}")),
                    [(byte)(i % kinds), .. bodies[i]]);
        }

        string messages = Directory.CreateDirectory(Path.Combine(directory, "netlink-messages")).FullName;
        // A link, an address, a route, a neighbour, a rule, a qdisc, a class, a filter, a nexthop; an answer with an error.
        ushort[] types = [16, 20, 24, 28, 32, 36, 40, 44, 104, 2];
        for (int i = 0; i < bodies.Length; i++)
        {
            var header = new byte[16];
            BinaryPrimitives.WriteInt32LittleEndian(header, 16 + bodies[i].Length);
            BinaryPrimitives.WriteUInt16LittleEndian(header.AsSpan(4), types[i % types.Length]);
            File.WriteAllBytes(Path.Combine(messages, string.Create(CultureInfo.InvariantCulture, $"seed{i:d2}")),
                [.. header, .. bodies[i]]);
        }
    }

    private static void Messages(byte[] datagram)
    {
        try
        {
            ReadOnlySpan<byte> rest = datagram;
            while (!rest.IsEmpty)
            {
                ReadOnlySpan<byte> message = NetlinkSocket.Next(ref rest);
                ReadOnlySpan<byte> payload = message[16..];
                if (NetlinkSocket.TypeOf(message) == 2)
                    ExtendedAck.Read(payload, NetlinkSocket.FlagsOf(message), payload.Length > 20 ? payload[4..] : payload,
                        (payload.Length & 1) == 0 ? NetlinkProtocol.Route : NetlinkProtocol.Netfilter);
                else
                    RouteMonitor.Read(NetlinkSocket.TypeOf(message), payload)?.ToString();
            }
        }
        catch (NetlinkException)
        {
            // the one kind of error
        }
    }

    private static void Attributes(byte[] bytes)
    {
        if (bytes.Length == 0)
            return;
        try
        {
            Kept.AttributeDecoders[bytes[0] % Kept.AttributeDecoders.Length](bytes.AsSpan(1));
        }
        catch (NetlinkException)
        {
            // the one kind of error
        }
    }

    private static void Nft(byte[] bytes)
    {
        if (bytes.Length == 0)
            return;
        try
        {
            NftMonitor.Read((ushort)((Nfnetlink.NFNL_SUBSYS_NFTABLES << 8) | bytes[0]), bytes.AsSpan(1))?.ToString();
        }
        catch (NetlinkException)
        {
            // the one kind of error
        }
    }

    private static void CgroupPaths(string text)
    {
        string[] parts = text.Split('\0', 2);
        Try(() => CgroupHierarchies.Parse(parts[0], parts.Length > 1 ? parts[1] : "0::/\n"));
        Try(() => CgroupHierarchies.ParseMembership(text));
    }

    private static void CgroupFiles(byte[] bytes)
    {
        // The same objects for every text, as a reader has them: what is left of one must not harm the next.
        Try(() => Kept.Flat.Parse(bytes));
        Try(() => Kept.Nested.Parse(bytes));
        Try(() => Kept.Nested.ParseTriples(bytes));
        Try(() => Pressure.Parse(bytes));
        Try(() => KeyedValues.ParseValue(bytes));
        Check(Kept.Flat.Keys.Count() == Kept.Flat.Count && Kept.Nested.Names.Count() == Kept.Nested.Count,
            "a count is not that of the names");
        string text = Encoding.UTF8.GetString(bytes);
        Try(() => CpuList.Parse(text));
        Try(() => IoMax.Parse(text));
    }

    /// <summary>Made at the first input: code that counts its branches runs only once there is somewhere to count.</summary>
    private static class Kept
    {
        internal static readonly KeyedValues Flat = new();
        internal static readonly NestedValues Nested = new();

        internal static readonly SeccompProfileHost Host = new()
        { Architecture = SeccompArchitecture.X64, Architectures = [SeccompArchitecture.X64, SeccompArchitecture.X86] };

        internal static readonly Decoders.Decoder[] AttributeDecoders = [.. Decoders.All.Where(d =>
            !d.Name.Contains(' ', StringComparison.Ordinal)).Select(d => d.Decode)];
    }

    private static void Seccomp(string text)
    {
        SeccompFilter? filter = null;
        Try(() => filter = SeccompProfile.Read(text, Kept.Host));
        try
        {
            // A call of each kind: the program decides what the rules say.
            if (filter?.Compile() is { } program)
            {
                foreach (uint number in new uint[] { 0, 1, 59, 435, 9999, 0x40000000, uint.MaxValue })
                {
                    var call = SeccompCall.Of(SeccompArchitecture.X64, number);
                    Check(program.Evaluate(call) == filter.Explain(call).Action, $"{call}: the program does not do what the rules say");
                }
            }
        }
        catch (SeccompLimitException)
        {
            // longer than the kernel takes
        }
    }

    /// <summary>A spec of any texts is JSON from which each text is read again, or is refused with its faults; any text is a spec or is
    /// refused.</summary>
    private static void Spec(string text)
    {
        try
        {
            ContainerSpec.Parse(text);
        }
        catch (FormatException)
        {
            // refused
        }

        string[] parts = [.. text.Split('\n'), "", "", "", "", ""];
        try
        {
            ContainerSpec spec = new ContainerBuilder(Rootfs.Directory("/" + parts[0])).WithCommand("/bin/" + parts[1], parts[2..])
                .WithHostName(parts[2]).AddEnvironment("A", parts[3])
                .AddMount(new BindMount("/" + parts[4], "/m")).Build().Spec;
            Check(ContainerSpec.Parse(spec.ToJson()).Equals(spec), "another spec is read back");
            using var json = JsonDocument.Parse(spec.ToString());
            Check(json.RootElement.GetProperty("rootfs").GetProperty("path").GetString() == "/" + parts[0], "another root is printed");
        }
        catch (Exception e) when (e is SpecException or ArgumentException)
        {
            // refused
        }
    }

    private static void Network(string text)
    {
        foreach (Func<object> read in new Func<object>[] { () => NetworkJson.ReadNetwork(text, "f"),
            () => NetworkJson.ReadLease(text, "f") })
        {
            try
            {
                read();
            }
            catch (LinuxException e) when (e.Errno == Errno.EBADMSG)
            {
                // damaged, and told
            }
            catch (SpecException)
            {
                // a network that cannot be
            }
        }
    }

    private static void SubIds(string text)
    {
        IdMap? map = SubIdFile.ToMap(1000, SubIdFile.Parse(text, "joe", 1000));
        if (map is null)
            return;
        Check(map.ToOutside(0) == 1000 && IdMap.Parse(map.ToString()).Equals(map), "the map is not the user's");
    }

    private static void Users(string text)
    {
        string[] parts = text.Split('\0', 3);
        try
        {
            ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).AddGroup("audio");
            Try(() => builder = builder.WithUser(parts[0]));
            UserFiles.Resolve(builder.Build().Spec, parts.Length > 1 ? parts[1] : text, parts.Length > 2 ? parts[2] : text);
        }
        catch (SpecException)
        {
            // no such user or group
        }
    }

    private static void Sizes(string text)
    {
        ReadsBack(text, ByteSize.Parse);
        ReadsBack(text, CgroupLimit.Parse);
        ReadsBack(text, DeviceNumber.Parse);
        ReadsBack(text, Rlimit.Parse);
        ReadsBack(text, KernelVersion.Parse);
        ReadsBack(text, TcHandle.Parse);
        Try(() => BitRate.Parse(text));
        Try(() => DeviceRule.Parse(text));
        Try(() => CpuAffinity.Parse(text));
    }

    private static void Cidr(string text)
    {
        ReadsBack(text, t => Address.Parse(1, t));
        ReadsBack(text, EgressRule.Parse);
        ReadsBack(text, HostEntry.Parse);
    }

    private static void Ports(string text)
    {
        ReadsBack(text, PublishedPort.Parse);
        ReadsBack(text, EgressRule.Parse);
    }

    private static void Status(string text)
    {
        Try(() => CapabilityState.Parse(text));
        Try(() => CapabilitySet.Parse(text));
        ReadsBack(text, SELinuxContext.Parse);
        Try(() => FileCapabilities.Decode(Encoding.Latin1.GetBytes(text)));
    }

    private static void ReadsBack<T>(string text, Func<string, T> parse) where T : notnull
    {
        T? value = default;
        Try(() => value = parse(text));
        if (value is null || value.Equals(default(T)))
            return;
        string written = value.ToString()!;
        T again = parse(written);
        Check(again.Equals(value), $"\"{text}\" is {written}, and that is {again}");
    }

    private static void Try(Action parse)
    {
        try
        {
            parse();
        }
        catch (FormatException)
        {
            // the one kind of error
        }
    }

    private static void Check(bool holds, string otherwise)
    {
        if (!holds)
            throw new InvalidOperationException(otherwise);
    }

    private static Action<byte[]> Text(Action<string> target) => bytes => target(Encoding.UTF8.GetString(bytes));
}
