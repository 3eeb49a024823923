using System.Net;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>One end of a pair of links: what goes into one comes out of the other.
/// <c>ip link add NAME type veth peer name PEER</c>.</summary>
/// <remarks>When one end is deleted, or its network namespace ends, the other is gone too.
/// See veth(4), and <see cref="VethPair"/>.</remarks>
public sealed record VethLink : Link
{
    /// <summary>Initialises one end.</summary>
    public VethLink() => Kind = "veth";

    /// <summary>The other end, for a new pair: its name, number, hardware address and network namespace. It cannot be set up yet.
    /// Never read: see <see cref="Link.ParentIndex"/>.</summary>
    public Link? Peer { get; init; }

    private protected override bool HasData => Peer is not null;

    private protected override void WriteData(NetlinkWriter writer)
    {
        Span<byte> header = stackalloc byte[16];
        Peer!.WriteHeader(header);
        using (writer.Nested(IfLink.VETH_INFO_PEER, header))
            Peer.WriteAttributes(writer);
    }
}

/// <summary>A link that drops what is sent on it: <c>ip link add NAME type dummy</c>.</summary>
public sealed record DummyLink : Link
{
    /// <summary>Initialises a dummy.</summary>
    public DummyLink() => Kind = "dummy";
}

/// <summary>An intermediate functional block: packets that come in elsewhere are redirected to it, to be queued and limited as if they went
/// out. <c>ip link add NAME type ifb</c>.</summary>
public sealed record IfbLink : Link
{
    /// <summary>Initialises one.</summary>
    public IfbLink() => Kind = "ifb";
}

/// <summary>A WireGuard tunnel: <c>ip link add NAME type wireguard</c>.
/// Its keys and peers are set by <see cref="WireguardSocket"/>.</summary>
public sealed record WireguardLink : Link
{
    /// <summary>Initialises one.</summary>
    public WireguardLink() => Kind = "wireguard";
}

/// <summary>A VLAN of another link: <c>ip link add link PARENT name NAME type vlan id ID</c>.</summary>
public sealed record VlanLink : Link
{
    /// <summary>Initialises one.</summary>
    public VlanLink() => Kind = "vlan";

    /// <summary>The VLAN's number, 0 to 4094.</summary>
    public int? Id { get; init; }

    /// <summary>Its protocol: 0x8100 is 802.1Q, 0x88a8 802.1ad.</summary>
    public ushort? Protocol { get; init; }

    private protected override bool HasData => Id is not null || Protocol is not null;

    private protected override void WriteData(NetlinkWriter writer)
    {
        if (Id is { } id)
            writer.PutUInt16(IfLink.IFLA_VLAN_ID, checked((ushort)id));
        if (Protocol is { } protocol)
            writer.PutBigEndianUInt16(IfLink.IFLA_VLAN_PROTOCOL, protocol);
    }

    internal static VlanLink ReadData(AttributeReader data)
    {
        int? id = null;
        ushort? protocol = null;
        while (data.MoveNext())
        {
            if (data.Type == IfLink.IFLA_VLAN_ID)
                id = data.UInt16;
            else if (data.Type == IfLink.IFLA_VLAN_PROTOCOL)
                protocol = data.BigEndianUInt16;
        }

        return new VlanLink { Id = id, Protocol = protocol };
    }
}

/// <summary>How the links of one parent see each other: <c>MACVLAN_MODE_*</c>.</summary>
public enum MacvlanMode
{
    /// <summary>Not at all.</summary>
    Private = 1,

    /// <summary>Through the switch outside.</summary>
    Vepa = 2,

    /// <summary>Directly.</summary>
    Bridge = 4,

    /// <summary>There is only one, which takes the parent over.</summary>
    Passthru = 8,
}

/// <summary>A link with a hardware address of its own on another:
/// <c>ip link add link PARENT name NAME type macvlan mode MODE</c>.</summary>
public sealed record MacvlanLink : Link
{
    /// <summary>Initialises one.</summary>
    public MacvlanLink() => Kind = "macvlan";

    /// <summary>How it sees the parent's other links.</summary>
    public MacvlanMode? Mode { get; init; }

    private protected override bool HasData => Mode is not null;

    private protected override void WriteData(NetlinkWriter writer) => PutNumber(writer, IfLink.IFLA_MACVLAN_MODE, (int?)Mode);

    internal static MacvlanLink ReadData(AttributeReader data)
    {
        MacvlanMode? mode = null;
        while (data.MoveNext())
        {
            if (data.Type == IfLink.IFLA_MACVLAN_MODE)
                mode = (MacvlanMode)data.Int32;
        }

        return new MacvlanLink { Mode = mode };
    }
}

/// <summary>Where packets of an ipvlan are switched: <c>IPVLAN_MODE_*</c>.</summary>
public enum IpvlanMode
{
    /// <summary>By hardware address.</summary>
    L2,

    /// <summary>By route, in the parent's namespace.</summary>
    L3,

    /// <summary>By route, with connection tracking.</summary>
    L3S,
}

/// <summary>How the ipvlans of one parent see each other.</summary>
public enum IpvlanIsolation
{
    /// <summary>Directly.</summary>
    Bridge = 0,

    /// <summary>Not at all: <c>IPVLAN_F_PRIVATE</c>.</summary>
    Private = 1,

    /// <summary>Through the switch outside: <c>IPVLAN_F_VEPA</c>.</summary>
    Vepa = 2,
}

/// <summary>A link with the parent's hardware address and IP addresses of its own:
/// <c>ip link add link PARENT name NAME type ipvlan mode MODE</c>.</summary>
public sealed record IpvlanLink : Link
{
    /// <summary>Initialises one.</summary>
    public IpvlanLink() => Kind = "ipvlan";

    /// <summary>Where its packets are switched.</summary>
    public IpvlanMode? Mode { get; init; }

    /// <summary>How it sees the parent's other links.</summary>
    public IpvlanIsolation? Isolation { get; init; }

    private protected override bool HasData => Mode is not null || Isolation is not null;

    private protected override void WriteData(NetlinkWriter writer)
    {
        if (Mode is { } mode)
            writer.PutUInt16(IfLink.IFLA_IPVLAN_MODE, (ushort)mode);
        if (Isolation is { } isolation)
            writer.PutUInt16(IfLink.IFLA_IPVLAN_FLAGS, (ushort)isolation);
    }

    internal static IpvlanLink ReadData(AttributeReader data)
    {
        IpvlanMode? mode = null;
        IpvlanIsolation? isolation = null;
        while (data.MoveNext())
        {
            if (data.Type == IfLink.IFLA_IPVLAN_MODE)
                mode = (IpvlanMode)data.UInt16;
            else if (data.Type == IfLink.IFLA_IPVLAN_FLAGS)
                isolation = (IpvlanIsolation)data.UInt16;
        }

        return new IpvlanLink { Mode = mode, Isolation = isolation };
    }
}

/// <summary>A device that stands for a routing table of its own; links become its ports by <see cref="Link.Master"/>.
/// <c>ip link add NAME type vrf table TABLE</c>.</summary>
public sealed record VrfLink : Link
{
    /// <summary>Initialises one.</summary>
    public VrfLink() => Kind = "vrf";

    /// <summary>The routing table's number.</summary>
    public uint? Table { get; init; }

    private protected override bool HasData => Table is not null;

    private protected override void WriteData(NetlinkWriter writer) => writer.PutUInt32(IfLink.IFLA_VRF_TABLE, Table!.Value);

    internal static VrfLink ReadData(AttributeReader data)
    {
        uint? table = null;
        while (data.MoveNext())
        {
            if (data.Type == IfLink.IFLA_VRF_TABLE)
                table = data.UInt32;
        }

        return new VrfLink { Table = table };
    }
}

/// <summary>A virtual Ethernet over UDP: <c>ip link add NAME type vxlan id VNI</c>.</summary>
public sealed record VxlanLink : Link
{
    /// <summary>Initialises one.</summary>
    public VxlanLink() => Kind = "vxlan";

    /// <summary>Its network identifier, 24 bits.</summary>
    public uint? Id { get; init; }

    /// <summary>The multicast group, or the one remote end.</summary>
    public IPAddress? Remote { get; init; }

    /// <summary>The address that it sends from.</summary>
    public IPAddress? Local { get; init; }

    /// <summary>The link that it sends on.</summary>
    public int? UnderlayIndex { get; init; }

    /// <summary>The UDP port that it sends to and listens on.</summary>
    public ushort? Port { get; init; }

    /// <summary>The time to live of its packets; 0 takes the inner one's.</summary>
    public byte? TimeToLive { get; init; }

    /// <summary>Whether it learns where addresses are from what it receives.</summary>
    public bool? Learning { get; init; }

    /// <summary>How long what it learns is kept, in seconds.</summary>
    public uint? AgeingSeconds { get; init; }

    private protected override bool HasData => true;

    private protected override void WriteData(NetlinkWriter writer)
    {
        if (Id is { } id)
            writer.PutUInt32(IfLink.IFLA_VXLAN_ID, id);
        if (Remote is not null)
            writer.PutAddress(NetlinkWriter.LengthOf(Remote) == 4 ? IfLink.IFLA_VXLAN_GROUP : IfLink.IFLA_VXLAN_GROUP6, Remote);
        if (Local is not null)
            writer.PutAddress(NetlinkWriter.LengthOf(Local) == 4 ? IfLink.IFLA_VXLAN_LOCAL : IfLink.IFLA_VXLAN_LOCAL6, Local);
        PutNumber(writer, IfLink.IFLA_VXLAN_LINK, UnderlayIndex);
        if (Port is { } port)
            writer.PutBigEndianUInt16(IfLink.IFLA_VXLAN_PORT, port);
        if (TimeToLive is { } ttl)
            writer.PutByte(IfLink.IFLA_VXLAN_TTL, ttl);
        PutFlag(writer, IfLink.IFLA_VXLAN_LEARNING, Learning);
        if (AgeingSeconds is { } ageing)
            writer.PutUInt32(IfLink.IFLA_VXLAN_AGEING, ageing);
    }

    internal static VxlanLink ReadData(AttributeReader data)
    {
        var link = new VxlanLink();
        while (data.MoveNext())
        {
            link = data.Type switch
            {
                IfLink.IFLA_VXLAN_ID => link with { Id = data.UInt32 },
                IfLink.IFLA_VXLAN_GROUP or IfLink.IFLA_VXLAN_GROUP6 => link with { Remote = data.IPAddress },
                IfLink.IFLA_VXLAN_LOCAL or IfLink.IFLA_VXLAN_LOCAL6 => link with { Local = data.IPAddress },
                IfLink.IFLA_VXLAN_LINK => link with { UnderlayIndex = data.Int32 },
                IfLink.IFLA_VXLAN_PORT => link with { Port = data.BigEndianUInt16 },
                IfLink.IFLA_VXLAN_TTL => link with { TimeToLive = data.Byte },
                IfLink.IFLA_VXLAN_LEARNING => link with { Learning = data.Byte != 0 },
                IfLink.IFLA_VXLAN_AGEING => link with { AgeingSeconds = data.UInt32 },
                _ => link,
            };
        }

        return link;
    }
}

/// <summary>A tun or tap device, as read. It is made by <see cref="TunDevice"/>, not by a request: the kernel has no other way.</summary>
public sealed record TunLink : Link
{
    /// <summary>Initialises one.</summary>
    public TunLink() => Kind = "tun";

    /// <summary>Whether it carries Ethernet frames: tap; else IP packets: tun.</summary>
    public bool IsTap { get; init; }

    /// <summary>Whether it stays without a process that has it open.</summary>
    public bool Persistent { get; init; }

    /// <summary>The user who may open it; null for whoever has CAP_NET_ADMIN.</summary>
    public uint? Owner { get; init; }

    internal static TunLink ReadData(AttributeReader data)
    {
        const byte Tap = 2;
        var link = new TunLink();
        while (data.MoveNext())
        {
            link = data.Type switch
            {
                IfLink.IFLA_TUN_TYPE => link with { IsTap = data.Byte == Tap },
                IfLink.IFLA_TUN_PERSIST => link with { Persistent = data.Byte != 0 },
                IfLink.IFLA_TUN_OWNER => link with { Owner = data.UInt32 },
                _ => link,
            };
        }

        return link;
    }
}
