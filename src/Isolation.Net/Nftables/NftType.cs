using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Text;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;
using Isolation.Net.Routing;

namespace Isolation.Net.Nftables;

/// <summary>A type of values: of the keys of a set, of what a field holds. See nft(8), "Data types".</summary>
public sealed class NftType
{
    private const int InterfaceNameLength = 16;

    private static readonly (string, ulong)[] s_protocols = [("icmp", 1), ("igmp", 2), ("ipencap", 4), ("tcp", 6), ("udp", 17),
        ("dccp", 33), ("gre", 47), ("esp", 50), ("ah", 51), ("ipv6-icmp", 58), ("sctp", 132), ("udplite", 136)];

    // The numbers of libnftnl and nft(8) for a set's "typeof": an expression of meta, with its key.
    private const uint MetaExpressionType = 9;
    private const byte TypeOfExpression = 0, TypeOfData = 1, MetaKey = 0;

    private readonly Form _form;
    private readonly (string Name, ulong Value)[] _names;

    private enum Form
    {
        /// <summary>A number, the most significant byte first.</summary>
        Number,

        /// <summary>A number in the machine's order.</summary>
        HostNumber,

        /// <summary>Flags in the machine's order.</summary>
        Bits,
        Address,
        Hardware,
        Name,

        /// <summary>A control group's number, in the machine's order.</summary>
        Cgroup,
    }

    private NftType(uint id, string name, int length, Form form, params (string, ulong)[] names) =>
        (Id, Name, Length, _form, _names) = (id, name, length, form, names);

    /// <summary><c>ipv4_addr</c>.</summary>
    public static NftType IPv4Address { get; } = new(7, "ipv4_addr", 4, Form.Address);

    /// <summary><c>ipv6_addr</c>.</summary>
    public static NftType IPv6Address { get; } = new(8, "ipv6_addr", 16, Form.Address);

    /// <summary><c>ether_addr</c>: a hardware address.</summary>
    public static NftType EthernetAddress { get; } = new(9, "ether_addr", 6, Form.Hardware);

    /// <summary><c>ether_type</c>.</summary>
    public static NftType EthernetType { get; } = new(10, "ether_type", 2, Form.Number, ("ip", 0x0800), ("arp", 0x0806),
        ("ip6", 0x86dd), ("8021q", 0x8100));

    /// <summary><c>inet_proto</c>: a transport protocol.</summary>
    public static NftType Protocol { get; } = new(12, "inet_proto", 1, Form.Number, s_protocols);

    /// <summary><c>inet_service</c>: a port.</summary>
    public static NftType Service { get; } = new(13, "inet_service", 2, Form.Number);

    /// <summary><c>icmp_type</c>.</summary>
    public static NftType IcmpType { get; } = new(14, "icmp_type", 1, Form.Number, ("echo-reply", 0), ("destination-unreachable", 3),
        ("source-quench", 4), ("redirect", 5), ("echo-request", 8), ("router-advertisement", 9),
        ("router-solicitation", 10), ("time-exceeded", 11), ("parameter-problem", 12), ("timestamp-request", 13), ("timestamp-reply", 14));

    /// <summary><c>icmpv6_type</c>.</summary>
    public static NftType Icmpv6Type { get; } = new(29, "icmpv6_type", 1, Form.Number, ("destination-unreachable", 1),
        ("packet-too-big", 2), ("time-exceeded", 3), ("parameter-problem", 4), ("echo-request", 128), ("echo-reply", 129),
        ("mld-listener-query", 130), ("mld-listener-report", 131), ("mld-listener-done", 132), ("nd-router-solicit", 133),
        ("nd-router-advert", 134), ("nd-neighbor-solicit", 135), ("nd-neighbor-advert", 136), ("nd-redirect", 137));

    /// <summary><c>nf_proto</c>: the family of a packet.</summary>
    public static NftType Family { get; } = new(2, "nf_proto", 1, Form.Number, ("ipv4", 2), ("ipv6", 10));

    /// <summary><c>mark</c>.</summary>
    public static NftType Mark { get; } = new(19, "mark", 4, Form.HostNumber);

    /// <summary><c>iface_index</c>: a link, by its index.</summary>
    public static NftType LinkIndex { get; } = new(20, "iface_index", 4, Form.HostNumber);

    /// <summary><c>ifname</c>: a link, by its name.</summary>
    public static NftType LinkName { get; } = new(41, "ifname", InterfaceNameLength, Form.Name);

    /// <summary><c>uid</c>.</summary>
    public static NftType UserId { get; } = new(24, "uid", 4, Form.HostNumber);

    /// <summary><c>gid</c>.</summary>
    public static NftType GroupId { get; } = new(25, "gid", 4, Form.HostNumber);

    /// <summary><c>iface_type</c>: a kind of hardware, of ARPHRD_*.</summary>
    public static NftType LinkType { get; } = new(21, "iface_type", 2, Form.HostNumber,
        ("ether", 1), ("ppp", 512), ("ipip", 768), ("ipip6", 769), ("loopback", 772), ("sit", 776), ("ipgre", 778));

    /// <summary><c>ct_state</c>: of a connection.</summary>
    public static NftType ConnectionState { get; } = new(26, "ct_state", 4, Form.Bits, ("invalid", 1), ("established", 2), ("related", 4),
        ("new", 8), ("untracked", 64));

    /// <summary><c>ct_dir</c>: the direction of a packet in its connection.</summary>
    public static NftType ConnectionDirection { get; } = new(27, "ct_dir", 1, Form.Number, ("original", 0), ("reply", 1));

    /// <summary><c>ct_status</c>: of a connection.</summary>
    public static NftType ConnectionStatus { get; } = new(28, "ct_status", 4, Form.Bits, ("expected", 1), ("seen-reply", 2), ("assured", 4),
        ("confirmed", 8), ("snat", 16), ("dnat", 32), ("dying", 512));

    /// <summary><c>pkt_type</c>.</summary>
    public static NftType PacketType { get; } = new(31, "pkt_type", 1, Form.Number, ("host", 0), ("broadcast", 1),
        ("multicast", 2), ("other", 3));

    /// <summary><c>fib_addrtype</c>: what an address is to this host.</summary>
    public static NftType AddressType { get; } = new(38, "fib_addrtype", 4, Form.HostNumber, ("unspec", 0), ("unicast", 1), ("local", 2),
        ("broadcast", 3), ("anycast", 4), ("multicast", 5), ("blackhole", 6), ("unreachable", 7), ("prohibit", 8));

    /// <summary>The number of a processor: an integer that nft(8) knows as <c>typeof meta cpu</c>.</summary>
    public static NftType Processor { get; } = new(4, "integer", 4, Form.HostNumber) { MetaField = NfTables.NFT_META_CPU };

    /// <summary><c>cgroupsv2</c>: a control group, by its path below /sys/fs/cgroup or its number.</summary>
    public static NftType Cgroup { get; } = new(46, "cgroupsv2", 8, Form.Cgroup);

    private static readonly ImmutableArray<NftType> s_all =
    [
        IPv4Address, IPv6Address, EthernetAddress, EthernetType, Protocol, Service, IcmpType, Icmpv6Type, Family, Mark, LinkIndex, LinkName,
        LinkType, UserId, GroupId, ConnectionState, ConnectionDirection,
        ConnectionStatus, PacketType, AddressType, Processor, Cgroup,
    ];

    internal uint Id { get; }

    /// <summary>nft's name for it.</summary>
    public string Name { get; }

    /// <summary>How many bytes a value has.</summary>
    public int Length { get; }

    internal bool IsBits => _form == Form.Bits;

    /// <summary>Whether the kernel has values in the machine's order. Only their equality can be told as they lie;
    /// more needs them turned, see <see cref="ByteorderExpression"/>.</summary>
    internal bool IsHostOrder => _form is Form.HostNumber or Form.Bits or Form.Cgroup;

    /// <summary>Whether nft(8) takes keys of a set as the machine has them, which the set must say.</summary>
    internal bool IsKeptAsIs => IsHostOrder || _form == Form.Name;

    /// <summary>The key of meta whose values these are, where nft(8) has no name for the type.</summary>
    internal uint? MetaField { get; private init; }

    /// <summary>What a set of such keys says of them, where their type's number does not: <c>typeof</c>.</summary>
    internal byte[]? TypeOf => MetaField is not { } key ? null
        : [TypeOfExpression, 4, .. NftData.Host(MetaExpressionType).Bytes, TypeOfData, 6, MetaKey, 4, .. NftData.Host(key).Bytes];

    /// <summary>Whether blocks of values are written with a prefix length.</summary>
    internal bool HasPrefixes => _form == Form.Address;

    /// <summary>The type with a number.</summary>
    /// <param name="id">The number.</param>
    /// <param name="length">How many bytes a value has, of types that are not known.</param>
    /// <param name="typeOf">What the set says of it beside.</param>
    internal static NftType OfId(uint id, int length, ReadOnlySpan<byte> typeOf = default)
    {
        foreach (NftType type in s_all)
        {
            if (type.Id == id && (type.TypeOf is not { } needed || typeOf.SequenceEqual(needed)))
                return type;
        }

        return new NftType(id, id == 4 ? "integer" : string.Create(CultureInfo.InvariantCulture, $"type {id}"), length, Form.Number);
    }

    internal static NftType Integer(int length) => new(4, "integer", length, Form.Number);

    /// <summary>The value, or the values, as the kernel keeps them.</summary>
    /// <param name="value">The value.</param>
    /// <param name="ordered">Whether they are to be told which is less:
    /// the most significant byte first, whatever the machine's order.</param>
    /// <exception cref="FormatException">It is no value of this type.</exception>
    internal NftInterval Encode(NftValue value, bool ordered = false)
    {
        NftInterval interval = EncodeOrdered(value);
        return ordered ? interval : new NftInterval(Turned(interval.From), Turned(interval.To));
    }

    private NftInterval EncodeOrdered(NftValue value)
    {
        switch (value.Content)
        {
            case (NftValue from, NftValue to) when _form != Form.Name:
                return new NftInterval(EncodeOrdered(from).From, EncodeOrdered(to).To) is var range
                    && range.From.Bytes.SequenceCompareTo(range.To.Bytes) <= 0 ? range : throw Bad(value, "it ends before it begins");
            case long number:
                return Single(Number(number, value));
            case IPAddress address when _form == Form.Address && NetlinkWriter.LengthOf(address) == Length:
                return Single(new NftData(address.GetAddressBytes()));
            case IPNetwork network when _form == Form.Address && NetlinkWriter.LengthOf(network.BaseAddress) == Length:
                return Block(network.BaseAddress.GetAddressBytes(), network.PrefixLength);
            case PhysicalAddress address when _form == Form.Hardware && address.GetAddressBytes().Length == Length:
                return Single(new NftData(address.GetAddressBytes()));
            case string text:
                return Parse(text, value);
            default:
                throw Bad(value, "it is of another type");
        }
    }

    /// <summary>A value of the kernel's order in that by which values are less or more, and the other way round.</summary>
    private NftData Turned(NftData data)
    {
        if (!IsHostOrder || data.Length > Length)
            return data;
        return Reversed(data);
    }

    /// <summary>A key as nft(8) sorts it: names too by the machine's order.</summary>
    internal NftData ToSort(NftData key) => IsKeptAsIs ? Reversed(key) : key;

    private static NftData Reversed(NftData data)
    {
        byte[] bytes = data.Bytes.ToArray();
        Array.Reverse(bytes);
        return new NftData(bytes);
    }

    internal string Format(NftInterval interval, bool ordered = false)
    {
        if (interval.IsSingle)
            return Format(interval.From, ordered);
        if (interval.PrefixLength is { } length)
        {
            if (HasPrefixes)
                return string.Create(CultureInfo.InvariantCulture, $"{Format(interval.From)}/{length}");
            if (_form == Form.Name && length % 8 == 0)
                return $"\"{Encoding.UTF8.GetString(interval.From.Bytes[..(length / 8)])}*\"";
        }

        // Ends are numbers: names may have hyphens.
        return $"{Format(interval.From, ordered, numeric: true)}-{Format(interval.To, ordered, numeric: true)}";
    }

    /// <summary>A value as nft(8) writes it.</summary>
    /// <param name="data">The value.</param>
    /// <param name="ordered">Whether its most significant byte is the first, whatever the machine's order.</param>
    /// <param name="numeric">Whether names of the type are left out.</param>
    internal string Format(NftData data, bool ordered = false, bool numeric = false)
    {
        if (data.Length < Length)
            return data.ToString();
        data = new NftData(data.Bytes[..Length]);
        switch (_form)
        {
            case Form.Address:
                return new IPAddress(data.Bytes).ToString();
            case Form.Hardware:
                return LinkNames.Format(new PhysicalAddress(data.Bytes.ToArray()));
            case Form.Name:
                int end = data.Bytes.IndexOf((byte)0);
                return "\"" + Encoding.UTF8.GetString(end < 0 ? data.Bytes : data.Bytes[..end]) + "\"";
        }

        ulong number = (ordered ? data : Turned(data)).ToNetworkNumber();
        if (_form == Form.Bits)
        {
            string[] names = numeric ? [] : [.. _names.Where(n => (number & n.Value) != 0).Select(n => n.Name)];
            return names.Length > 0 ? string.Join(',', names) : string.Create(CultureInfo.InvariantCulture, $"0x{number:x}");
        }

        foreach ((string name, ulong value) in _names)
        {
            if (value == number && !numeric)
                return name;
        }

        if (_form == Form.Cgroup && NftCgroups.FindPath(number) is { } path)
            return $"\"{path}\"";
        if (ReferenceEquals(this, EthernetType))
            return string.Create(CultureInfo.InvariantCulture, $"0x{number:x4}");
        return ReferenceEquals(this, Mark)
            ? string.Create(CultureInfo.InvariantCulture, $"0x{number:x8}")
            : number.ToString(CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private NftInterval Parse(string text, NftValue value)
    {
        switch (_form)
        {
            case Form.Address:
                int dash = text.IndexOf('-', StringComparison.Ordinal);
                if (dash > 0)
                    return EncodeOrdered(NftValue.Range(text[..dash], text[(dash + 1)..]));
                (IPAddress address, int prefix) = AddressText.Parse(text);
                if (NetlinkWriter.LengthOf(address) != Length)
                    throw Bad(value, "it is of the other family");
                return Block(address.GetAddressBytes(), prefix);
            case Form.Hardware when PhysicalAddress.TryParse(text, out PhysicalAddress? hardware)
                && hardware.GetAddressBytes().Length == Length:
                return Single(new NftData(hardware.GetAddressBytes()));
            case Form.Name when text.EndsWith('*'):
                // All names that begin so.
                var start = new byte[InterfaceNameLength];
                return Block(start, 8 * Encoding.UTF8.GetBytes(LinkNames.Check(text[..^1]), start));
            case Form.Name:
                var bytes = new byte[InterfaceNameLength];
                Encoding.UTF8.GetBytes(LinkNames.Check(text), bytes);
                return Single(new NftData(bytes));
            case Form.Bits:
                ulong bits = 0;
                foreach (string part in text.Split(',', StringSplitOptions.TrimEntries))
                    bits |= Named(part) ?? throw Bad(value, $"\"{part}\" is none of {string.Join(", ", _names.Select(n => n.Name))}");
                return Single(NftData.Network(bits, Length));
            case Form.Cgroup when ParseNumber(text) is null:
                string path = NftCgroups.FullPath(text);
                return NftCgroups.LevelOf(path) < 0 || NftCgroups.TryNumber(path, out ulong group).IsError
                    ? throw Bad(value, "there is no such control group of version 2 below /sys/fs/cgroup")
                    : EncodeOrdered((long)group);
        }

        int hyphen = Named(text) is null ? text.IndexOf('-', StringComparison.Ordinal) : -1;
        if (hyphen > 0)
            return EncodeOrdered(NftValue.Range(text[..hyphen], text[(hyphen + 1)..]));
        return Single(Number((long?)Named(text) ?? ParseNumber(text) ?? throw Bad(value, "it is neither a number nor a name of the type"),
            value));
    }

    private ulong? Named(string text)
    {
        foreach ((string name, ulong number) in _names)
        {
            if (name == text)
                return number;
        }

        return null;
    }

    private static long? ParseNumber(string text) => text.StartsWith("0x", StringComparison.Ordinal)
        ? long.TryParse(text.AsSpan(2), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out long hex) ? hex : null
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long number) ? number : null;

    private NftData Number(long number, NftValue value)
    {
        if (_form is Form.Address or Form.Hardware or Form.Name || number < 0 || (Length < 8 && (ulong)number >> (Length * 8) != 0))
            throw Bad(value, _form is Form.Number or Form.HostNumber or Form.Bits ? $"it does not fit {Length} bytes" : "it is a number");
        return NftData.Network((ulong)number, Length);
    }

    private static NftInterval Single(NftData data) => new(data, data);

    private static NftInterval Block(byte[] address, int prefix)
    {
        byte[] from = [.. address], to = [.. address];
        for (int bit = prefix; bit < address.Length * 8; bit++)
        {
            from[bit / 8] &= (byte)~(0x80 >> (bit % 8));
            to[bit / 8] |= (byte)(0x80 >> (bit % 8));
        }

        return new NftInterval(new NftData(from), new NftData(to));
    }

    private FormatException Bad(NftValue value, string why) => new($"\"{value}\" is not a value of the type {Name}: {why}.");
}
