using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>Something of a packet that a rule can match: a field of a header, or what is known beside. The names are nft's.</summary>
public sealed class NftField
{
    private const byte Icmp = 1, Tcp = 6, Udp = 17, Icmpv6 = 58, Sctp = 132;

    private readonly Func<NftRegister, NftExpression> _load;

    private NftField(string name, NftType type, Func<NftRegister, NftExpression> load, NftFamily? family = null, byte? transport = null) =>
        (Name, Type, _load, Family, Transport) = (name, type, load, family, transport);

    /// <summary><c>ip saddr</c>.</summary>
    public static NftField IPv4Source { get; } = Payload("ip saddr", NftType.IPv4Address, NftPayloadBase.Network, 12, NftFamily.IPv4);

    /// <summary><c>ip daddr</c>.</summary>
    public static NftField IPv4Destination { get; } = Payload("ip daddr", NftType.IPv4Address, NftPayloadBase.Network, 16, NftFamily.IPv4);

    /// <summary><c>ip protocol</c>.</summary>
    public static NftField IPv4Protocol { get; } = Payload("ip protocol", NftType.Protocol, NftPayloadBase.Network, 9, NftFamily.IPv4);

    /// <summary><c>ip6 saddr</c>.</summary>
    public static NftField IPv6Source { get; } = Payload("ip6 saddr", NftType.IPv6Address, NftPayloadBase.Network, 8, NftFamily.IPv6);

    /// <summary><c>ip6 daddr</c>.</summary>
    public static NftField IPv6Destination { get; } = Payload("ip6 daddr", NftType.IPv6Address, NftPayloadBase.Network, 24, NftFamily.IPv6);

    /// <summary><c>tcp sport</c>.</summary>
    public static NftField TcpSourcePort { get; } = Payload("tcp sport", NftType.Service, NftPayloadBase.Transport, 0, transport: Tcp);

    /// <summary><c>tcp dport</c>.</summary>
    public static NftField TcpDestinationPort { get; } = Payload("tcp dport", NftType.Service, NftPayloadBase.Transport, 2, transport: Tcp);

    /// <summary><c>udp sport</c>.</summary>
    public static NftField UdpSourcePort { get; } = Payload("udp sport", NftType.Service, NftPayloadBase.Transport, 0, transport: Udp);

    /// <summary><c>udp dport</c>.</summary>
    public static NftField UdpDestinationPort { get; } = Payload("udp dport", NftType.Service, NftPayloadBase.Transport, 2, transport: Udp);

    /// <summary><c>sctp sport</c>.</summary>
    public static NftField SctpSourcePort { get; } = Payload("sctp sport", NftType.Service, NftPayloadBase.Transport, 0, transport: Sctp);

    /// <summary><c>sctp dport</c>.</summary>
    public static NftField SctpDestinationPort { get; } = Payload("sctp dport", NftType.Service,
        NftPayloadBase.Transport, 2, transport: Sctp);

    /// <summary><c>th sport</c>: the source port of whatever transport protocol.</summary>
    public static NftField SourcePort { get; } = Payload("th sport", NftType.Service, NftPayloadBase.Transport, 0);

    /// <summary><c>th dport</c>: the destination port of whatever transport protocol.</summary>
    public static NftField DestinationPort { get; } = Payload("th dport", NftType.Service, NftPayloadBase.Transport, 2);

    /// <summary><c>icmp type</c>.</summary>
    public static NftField IcmpType { get; } = Payload("icmp type", NftType.IcmpType, NftPayloadBase.Transport, 0, NftFamily.IPv4, Icmp);

    /// <summary><c>icmpv6 type</c>.</summary>
    public static NftField Icmpv6Type { get; } = Payload("icmpv6 type", NftType.Icmpv6Type, NftPayloadBase.Transport, 0,
        NftFamily.IPv6, Icmpv6);

    /// <summary><c>ether saddr</c>.</summary>
    public static NftField EthernetSource { get; } = Payload("ether saddr", NftType.EthernetAddress, NftPayloadBase.LinkLayer, 6);

    /// <summary><c>ether daddr</c>.</summary>
    public static NftField EthernetDestination { get; } = Payload("ether daddr", NftType.EthernetAddress, NftPayloadBase.LinkLayer, 0);

    /// <summary><c>iifname</c>: the name of the link that it came in by.</summary>
    public static NftField InputInterface { get; } = Meta("iifname", NftType.LinkName, NfTables.NFT_META_IIFNAME);

    /// <summary><c>oifname</c>: the name of the link that it leaves by.</summary>
    public static NftField OutputInterface { get; } = Meta("oifname", NftType.LinkName, NfTables.NFT_META_OIFNAME);

    /// <summary><c>iif</c>: the index of the link that it came in by.
    /// Faster than the name, and true only as long as the link is there.</summary>
    public static NftField InputLink { get; } = Meta("iif", NftType.LinkIndex, NfTables.NFT_META_IIF);

    /// <summary><c>oif</c>: the index of the link that it leaves by.</summary>
    public static NftField OutputLink { get; } = Meta("oif", NftType.LinkIndex, NfTables.NFT_META_OIF);

    /// <summary><c>meta iiftype</c>: what kind of hardware the link that it came in by stands for.</summary>
    public static NftField InputLinkType { get; } = Meta("meta iiftype", NftType.LinkType, NfTables.NFT_META_IIFTYPE);

    /// <summary><c>meta l4proto</c>: the transport protocol.</summary>
    public static NftField TransportProtocol { get; } = Meta("meta l4proto", NftType.Protocol, NfTables.NFT_META_L4PROTO);

    /// <summary><c>meta nfproto</c>: IPv4 or IPv6.</summary>
    public static NftField PacketFamily { get; } = Meta("meta nfproto", NftType.Family, NfTables.NFT_META_NFPROTO);

    /// <summary><c>meta protocol</c>: the link layer's protocol.</summary>
    public static NftField LinkProtocol { get; } = Meta("meta protocol", NftType.EthernetType, NfTables.NFT_META_PROTOCOL);

    /// <summary><c>meta mark</c>.</summary>
    public static NftField Mark { get; } = Meta("meta mark", NftType.Mark, NfTables.NFT_META_MARK);

    /// <summary><c>meta skuid</c>: the user of the socket that sends it.</summary>
    public static NftField SocketUserId { get; } = Meta("meta skuid", NftType.UserId, NfTables.NFT_META_SKUID);

    /// <summary><c>meta skgid</c>: the group of the socket that sends it.</summary>
    public static NftField SocketGroupId { get; } = Meta("meta skgid", NftType.GroupId, NfTables.NFT_META_SKGID);

    /// <summary><c>meta cpu</c>: the number of the processor that handles it.</summary>
    public static NftField Processor { get; } = Meta("meta cpu", NftType.Processor, NfTables.NFT_META_CPU);

    /// <summary><c>meta pkttype</c>.</summary>
    public static NftField PacketType { get; } = Meta("meta pkttype", NftType.PacketType, NfTables.NFT_META_PKTTYPE);

    /// <summary><c>ct state</c>.</summary>
    public static NftField ConnectionState { get; } = Ct("ct state", NftType.ConnectionState, NfTables.NFT_CT_STATE);

    /// <summary><c>ct status</c>.</summary>
    public static NftField ConnectionStatus { get; } = Ct("ct status", NftType.ConnectionStatus, NfTables.NFT_CT_STATUS);

    /// <summary><c>ct direction</c>.</summary>
    public static NftField ConnectionDirection { get; } = Ct("ct direction", NftType.ConnectionDirection, NfTables.NFT_CT_DIRECTION);

    /// <summary><c>ct mark</c>.</summary>
    public static NftField ConnectionMark { get; } = Ct("ct mark", NftType.Mark, NfTables.NFT_CT_MARK);

    /// <summary><c>fib daddr type</c>: what the destination is to this host.</summary>
    public static NftField DestinationType { get; } = new("fib daddr type", NftType.AddressType,
        r => new FibExpression(r, NfTables.NFT_FIB_RESULT_ADDRTYPE, NfTables.NFTA_FIB_F_DADDR));

    /// <summary><c>fib saddr type</c>: what the source is to this host.</summary>
    public static NftField SourceType { get; } = new("fib saddr type", NftType.AddressType,
        r => new FibExpression(r, NfTables.NFT_FIB_RESULT_ADDRTYPE, NfTables.NFTA_FIB_F_SADDR));

    private static readonly ImmutableArray<NftField> s_all =
    [
        IPv4Source, IPv4Destination, IPv4Protocol, IPv6Source, IPv6Destination, TcpSourcePort, TcpDestinationPort, UdpSourcePort,
        UdpDestinationPort, SctpSourcePort, SctpDestinationPort, IcmpType, Icmpv6Type,
        SourcePort, DestinationPort, EthernetSource, EthernetDestination, InputInterface, OutputInterface, InputLink, OutputLink,
        InputLinkType, TransportProtocol, PacketFamily, LinkProtocol, Mark, SocketUserId, SocketGroupId,
        Processor, PacketType, ConnectionState, ConnectionStatus, ConnectionDirection, ConnectionMark, DestinationType, SourceType,
    ];

    /// <summary>nft's name for it.</summary>
    public string Name { get; }

    /// <summary>The type of its values.</summary>
    public NftType Type { get; }

    /// <summary>The family that a packet must have for it to be there.</summary>
    internal NftFamily? Family { get; }

    /// <summary>The transport protocol that a packet must have for it to be there.</summary>
    internal byte? Transport { get; }

    /// <summary><c>socket cgroupv2 level N</c>: the control group of version 2 whose process sends it,
    /// or one of its ancestors. Since Linux 5.13.</summary>
    /// <param name="level">Which ancestor: 1 is the first below the root.</param>
    public static NftField SocketCgroup(int level) =>
        new(System.FormattableString.Invariant($"socket cgroupv2 level {level}"), NftType.Cgroup,
            r => new SocketExpression(NfTables.NFT_SOCKET_CGROUPV2, r, (uint)level));

    /// <summary>All fields that have a name of their own.</summary>
    internal static ImmutableArray<NftField> All => s_all;

    /// <summary>A field as nft(8) names it: <c>tcp dport</c>.</summary>
    /// <exception cref="FormatException">There is none.</exception>
    public static NftField Parse(string name) =>
        s_all.FirstOrDefault(f => f.Name == (name ?? throw new ArgumentNullException(nameof(name))))
            ?? throw new FormatException(
                $"\"{name}\" is none of the fields that are known: {string.Join(", ", s_all.Select(f => f.Name))}.");

    /// <summary>Whether a packet must have come in by an Ethernet link for it to be there.</summary>
    internal bool IsOfEthernet => ReferenceEquals(Type, NftType.EthernetAddress);

    internal NftExpression Load(NftRegister register) => _load(register);

    /// <summary>The field that an expression loads, for a packet of a known transport protocol and family;
    /// null where it is none that is known.</summary>
    internal static NftField? Of(NftExpression load, byte? transport, NftFamily? family)
    {
        if (load is SocketExpression { Key: NfTables.NFT_SOCKET_CGROUPV2 } socket)
            return SocketCgroup((int)socket.Level);
        NftField? found = null;
        foreach (NftField field in s_all)
        {
            if (!SamePlace(field._load(RegisterOf(load)), load, field.Type.HasPrefixes) || (field.Transport is { } needed
                && needed != transport) || (field.Family is { } wanted && family is not null && wanted != family))
                continue;
            // IPv4's and IPv6's fields lie over each other.
            if (field.Family is not null && family is null && field.Transport is null && found is null && load is PayloadExpression payload
                && payload.Length != field.Type.Length)
                continue;
            found ??= field;
        }

        return found;
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    private static NftRegister RegisterOf(NftExpression load) => load switch
    {
        PayloadExpression payload => payload.Destination,
        MetaExpression meta => meta.Register,
        CtExpression ct => ct.Register,
        FibExpression fib => fib.Destination,
        _ => default,
    };

    // A block of addresses is matched by loading fewer bytes.
    private static bool SamePlace(NftExpression field, NftExpression load, bool orShorter) => field.Equals(load)
        || (orShorter && field is PayloadExpression whole && load is PayloadExpression part && part.Length < whole.Length
            && (whole with { Length = part.Length }) == part);

    private static NftField Payload(string name, NftType type, NftPayloadBase place, int offset, NftFamily? family = null,
        byte? transport = null) =>
        new(name, type, r => new PayloadExpression(r, place, offset, type.Length), family, transport);

    private static NftField Meta(string name, NftType type, uint key) => new(name, type, r => new MetaExpression(key, r));

    private static NftField Ct(string name, NftType type, uint key) => new(name, type, r => new CtExpression(key, r));
}
