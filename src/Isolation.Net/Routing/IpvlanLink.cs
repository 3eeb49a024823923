using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

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
