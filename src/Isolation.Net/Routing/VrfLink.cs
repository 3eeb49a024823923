using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A device that stands for a routing table of its own; links become its ports by <see cref="Link.Master"/>.
/// <c>ip link add NAME type vrf table TABLE</c>.</summary>
/// <example><code>route.Add(new VrfLink { Name = "vrf0", Table = 100 });</code></example>
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
