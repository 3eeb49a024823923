using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A VLAN of another link: <c>ip link add link PARENT name NAME type vlan id ID</c>.</summary>
/// <example><code>route.Add(new VlanLink { Name = "eth0.7", ParentIndex = link.Index, Id = 7 });</code></example>
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
