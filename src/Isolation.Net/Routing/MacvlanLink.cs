using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

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
