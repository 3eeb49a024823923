using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>An address of a link: what <c>ip address</c> shows.</summary>
/// <example><code>route.Add(Address.Parse(link.Index, "10.0.0.1/24"));</code></example>
public sealed record Address : RouteObject
{
    // The kernel keeps those of IPv6 to the ones that it lets a request set, and those of IPv4 not at all.
    private const AddressFlags Requested = AddressFlags.NoDad | AddressFlags.Optimistic | AddressFlags.HomeAddress
        | AddressFlags.ManageTemporaryAddresses | AddressFlags.NoPrefixRoute | AddressFlags.MulticastAutoJoin;

    /// <summary>Initialises an address.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="local">The address itself.</param>
    /// <param name="prefixLength">How many leading bits are the network's: 0 to 32, or to 128.</param>
    public Address(int linkIndex, IPAddress local, int prefixLength)
    {
        ArgumentNullException.ThrowIfNull(local);
        if (prefixLength < 0 || prefixLength > NetlinkWriter.LengthOf(local) * 8)
            throw new ArgumentOutOfRangeException(nameof(prefixLength), prefixLength,
                $"A prefix of {local} has 0 to {NetlinkWriter.LengthOf(local) * 8} bits.");
        (LinkIndex, Local, PrefixLength) = (linkIndex, local, prefixLength);
    }

    /// <summary>The link's index.</summary>
    public int LinkIndex { get; init; }

    /// <summary>The address itself: <c>IFA_LOCAL</c>.</summary>
    public IPAddress Local { get; init; }

    /// <summary>How many leading bits are the network's.</summary>
    public int PrefixLength { get; init; }

    /// <summary>The other end's address, of a point-to-point link; null for none.</summary>
    public IPAddress? Peer { get; init; }

    /// <summary>The broadcast address; null for none.</summary>
    public IPAddress? Broadcast { get; init; }

    /// <summary>A label, which begins with the link's name; IPv4 only. Null for the link's name.</summary>
    public string? Label { get; init; }

    /// <summary>How far it reaches; null leaves that to the kernel.</summary>
    public RouteScope? Scope { get; init; }

    /// <summary>Its state. In requests only <c>NoDad</c>, <c>Optimistic</c>, <c>HomeAddress</c>, <c>ManageTemporaryAddresses</c>,
    /// <c>NoPrefixRoute</c> and <c>MulticastAutoJoin</c> count.</summary>
    public AddressFlags Flags { get; init; }

    /// <summary>Who made it: <c>IFA_PROTO</c>. Since Linux 5.18; earlier kernels do not say, and ignore it.</summary>
    public AddressProtocol Protocol { get; init; }

    /// <summary>The metric of the route to its network; null for the default.</summary>
    public uint? Metric { get; init; }

    /// <summary>For how long it is there, in whole seconds; null for ever.</summary>
    public TimeSpan? ValidLifetime { get; init; }

    /// <summary>For how long it is used for new connections, in whole seconds; null for ever.</summary>
    public TimeSpan? PreferredLifetime { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWADDR;

    internal override string Noun => "address";

    internal override string Subject => string.Create(CultureInfo.InvariantCulture, $"{this} of link {LinkIndex}");

    /// <summary>Reads an address with its prefix: <c>10.0.0.1/24</c>, <c>fd00::1/64</c>; without one, that of a single host.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="text">The text.</param>
    /// <exception cref="FormatException">The text is no address, or the prefix is too long.</exception>
    public static Address Parse(int linkIndex, string text)
    {
        (IPAddress address, int prefix) = AddressText.Parse(text);
        return new Address(linkIndex, address, prefix);
    }

    /// <summary>The address with its prefix: <c>10.0.0.1/24</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Local}/{PrefixLength}");

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, Rtnetlink.RTM_NEWADDR, flags);
        if (Broadcast is not null)
            writer.PutAddress(IfAddr.IFA_BROADCAST, Broadcast);
        if (Label is not null)
            writer.PutText(IfAddr.IFA_LABEL, Label, LinkNames.MaxLength, "Address label");
        if (Flags != AddressFlags.None)
            writer.PutUInt32(IfAddr.IFA_FLAGS, (uint)(Flags & Requested));
        if (Protocol != AddressProtocol.Unspecified)
            writer.PutByte(IfAddr.IFA_PROTO, (byte)Protocol);
        if (Metric is { } metric)
            writer.PutUInt32(IfAddr.IFA_RT_PRIORITY, metric);
        if (ValidLifetime is not null || PreferredLifetime is not null)
        {
            // struct ifa_cacheinfo { u32 preferred, valid, created, updated; }
            Span<byte> info = stackalloc byte[16];
            info.Clear();
            BinaryPrimitives.WriteUInt32LittleEndian(info, Seconds(PreferredLifetime ?? ValidLifetime));
            BinaryPrimitives.WriteUInt32LittleEndian(info[4..], Seconds(ValidLifetime));
            writer.Put(IfAddr.IFA_CACHEINFO, info);
        }

        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        Begin(writer, Rtnetlink.RTM_DELADDR, 0);
        writer.End();
    }

    internal static Address Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 8)
            throw NetlinkException.Malformed($"An address has {payload.Length} bytes.");
        IPAddress? local = null, address = null, broadcast = null;
        string? label = null;
        uint flags = payload[2];
        uint? metric = null;
        TimeSpan? valid = null, preferred = null;
        AddressProtocol protocol = AddressProtocol.Unspecified;
        var reader = new AttributeReader(payload[8..]);
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case IfAddr.IFA_LOCAL:
                    local = reader.IPAddress;
                    break;
                case IfAddr.IFA_ADDRESS:
                    address = reader.IPAddress;
                    break;
                case IfAddr.IFA_BROADCAST:
                    broadcast = reader.IPAddress;
                    break;
                case IfAddr.IFA_LABEL:
                    label = reader.Text;
                    break;
                case IfAddr.IFA_FLAGS:
                    flags = reader.UInt32;
                    break;
                case IfAddr.IFA_RT_PRIORITY:
                    metric = reader.UInt32;
                    break;
                case IfAddr.IFA_PROTO:
                    protocol = (AddressProtocol)reader.Byte;
                    break;
                case IfAddr.IFA_CACHEINFO:
                    preferred = Lifetime(BinaryPrimitives.ReadUInt32LittleEndian(reader.Struct(16)));
                    valid = Lifetime(BinaryPrimitives.ReadUInt32LittleEndian(reader.Struct(16)[4..]));
                    break;
            }
        }

        // For IPv6 IFA_ADDRESS is the address itself; for a point-to-point link it is the other end's.
        IPAddress own = local ?? address ?? throw NetlinkException.Malformed("An address has neither IFA_LOCAL nor IFA_ADDRESS.");
        if (payload[1] > NetlinkWriter.LengthOf(own) * 8)
            throw NetlinkException.Malformed($"An address has a prefix of {payload[1]} bits.");
        return new Address((int)BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]), own, payload[1])
        {
            Peer = local is not null && address is not null && !address.Equals(local) ? address : null,
            Broadcast = broadcast,
            Label = label,
            Scope = (RouteScope)payload[3],
            Flags = (AddressFlags)flags,
            Protocol = protocol,
            Metric = metric,
            ValidLifetime = valid,
            PreferredLifetime = preferred,
        };
    }

    private void Begin(NetlinkWriter writer, ushort type, ushort flags)
    {
        // struct ifaddrmsg { u8 family, prefixlen, flags, scope; u32 index; }
        Span<byte> header = stackalloc byte[8];
        header[0] = AddressText.Family(Local);
        header[1] = (byte)PrefixLength;
        header[2] = 0;
        header[3] = (byte)(Scope ?? (IPAddress.IsLoopback(Local) ? RouteScope.Host : RouteScope.Universe));
        BinaryPrimitives.WriteInt32LittleEndian(header[4..], LinkIndex);
        writer.Begin(type, flags, header);
        writer.PutAddress(IfAddr.IFA_LOCAL, Local);
        writer.PutAddress(IfAddr.IFA_ADDRESS, Peer ?? Local);
    }

    private static uint Seconds(TimeSpan? time) => time is { } value
        ? (uint)Math.Clamp(value.TotalSeconds, 0, uint.MaxValue - 1)
        : uint.MaxValue;

    private static TimeSpan? Lifetime(uint seconds) => seconds == uint.MaxValue ? null : TimeSpan.FromSeconds(seconds);
}
