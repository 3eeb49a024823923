using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A virtual Ethernet over UDP: <c>ip link add NAME type vxlan id VNI</c>.</summary>
/// <example><code>
/// route.Add(new VxlanLink { Name = "vx0", Id = 42, Remote = IPAddress.Parse("192.0.2.7"), Port = 4789 });
/// </code></example>
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
