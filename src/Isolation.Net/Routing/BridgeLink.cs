using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A bridge: a switch in the kernel, whose ports are the links that have it as <see cref="Link.Master"/>.
/// <c>ip link add NAME type bridge</c>.</summary>
/// <example><code>route.Add(new BridgeLink { Name = "br0", Mtu = 1400, VlanFiltering = true });</code></example>
public sealed record BridgeLink : Link
{
    private const int TicksPerSecond = 100; // USER_HZ

    /// <summary>Initialises a bridge.</summary>
    public BridgeLink() => Kind = "bridge";

    /// <summary>Whether the spanning tree protocol is spoken.</summary>
    public bool? Stp { get; init; }

    /// <summary>Its priority in the spanning tree.</summary>
    public ushort? Priority { get; init; }

    /// <summary>How long a new port listens before it forwards, in hundredths of a second.</summary>
    public uint? ForwardDelayHundredths { get; init; }

    /// <summary>Between two hello messages, in hundredths of a second.</summary>
    public uint? HelloTimeHundredths { get; init; }

    /// <summary>How long a hello message is believed, in hundredths of a second.</summary>
    public uint? MaxAgeHundredths { get; init; }

    /// <summary>How long a learnt address is kept; whole hundredths of a second.</summary>
    public TimeSpan? AgeingTime { get; init; }

    /// <summary>Whether the bridge filters by VLAN. <c>vlan_filtering</c>.</summary>
    public bool? VlanFiltering { get; init; }

    /// <summary>The VLAN of untagged packets, where the bridge filters by VLAN; 0 for none.</summary>
    public ushort? DefaultPvid { get; init; }

    /// <summary>Whether it listens who wants which multicast group.</summary>
    public bool? MulticastSnooping { get; init; }

    /// <summary>Which of the reserved group addresses are forwarded.</summary>
    public ushort? GroupForwardMask { get; init; }

    private protected override bool HasData => true;

    private protected override void WriteData(NetlinkWriter writer)
    {
        PutTicks(writer, IfLink.IFLA_BR_FORWARD_DELAY, ForwardDelayHundredths);
        PutTicks(writer, IfLink.IFLA_BR_HELLO_TIME, HelloTimeHundredths);
        PutTicks(writer, IfLink.IFLA_BR_MAX_AGE, MaxAgeHundredths);
        PutTicks(writer, IfLink.IFLA_BR_AGEING_TIME,
            AgeingTime is { } ageing ? (uint)(ageing.Ticks * TicksPerSecond / TimeSpan.TicksPerSecond) : null);
        PutTicks(writer, IfLink.IFLA_BR_STP_STATE, Stp is { } stp ? stp ? 1u : 0 : null);
        if (Priority is { } priority)
            writer.PutUInt16(IfLink.IFLA_BR_PRIORITY, priority);
        PutFlag(writer, IfLink.IFLA_BR_VLAN_FILTERING, VlanFiltering);
        if (DefaultPvid is { } pvid)
            writer.PutUInt16(IfLink.IFLA_BR_VLAN_DEFAULT_PVID, pvid);
        PutFlag(writer, IfLink.IFLA_BR_MCAST_SNOOPING, MulticastSnooping);
        if (GroupForwardMask is { } mask)
            writer.PutUInt16(IfLink.IFLA_BR_GROUP_FWD_MASK, mask);
    }

    internal static BridgeLink ReadData(AttributeReader data)
    {
        bool? stp = null, vlanFiltering = null, snooping = null;
        ushort? priority = null, pvid = null, mask = null;
        uint? delay = null, hello = null, age = null, ageing = null;
        while (data.MoveNext())
        {
            switch (data.Type)
            {
                case IfLink.IFLA_BR_FORWARD_DELAY:
                    delay = data.UInt32;
                    break;
                case IfLink.IFLA_BR_HELLO_TIME:
                    hello = data.UInt32;
                    break;
                case IfLink.IFLA_BR_MAX_AGE:
                    age = data.UInt32;
                    break;
                case IfLink.IFLA_BR_AGEING_TIME:
                    ageing = data.UInt32;
                    break;
                case IfLink.IFLA_BR_STP_STATE:
                    stp = data.UInt32 != 0;
                    break;
                case IfLink.IFLA_BR_PRIORITY:
                    priority = data.UInt16;
                    break;
                case IfLink.IFLA_BR_VLAN_FILTERING:
                    vlanFiltering = data.Byte != 0;
                    break;
                case IfLink.IFLA_BR_VLAN_DEFAULT_PVID:
                    pvid = data.UInt16;
                    break;
                case IfLink.IFLA_BR_MCAST_SNOOPING:
                    snooping = data.Byte != 0;
                    break;
                case IfLink.IFLA_BR_GROUP_FWD_MASK:
                    mask = data.UInt16;
                    break;
            }
        }

        return new BridgeLink
        {
            Stp = stp,
            Priority = priority,
            ForwardDelayHundredths = delay,
            HelloTimeHundredths = hello,
            MaxAgeHundredths = age,
            AgeingTime = ageing is { } ticks ? TimeSpan.FromTicks(ticks * (TimeSpan.TicksPerSecond / TicksPerSecond)) : null,
            VlanFiltering = vlanFiltering,
            DefaultPvid = pvid,
            MulticastSnooping = snooping,
            GroupForwardMask = mask,
        };
    }

    private static void PutTicks(NetlinkWriter writer, ushort type, uint? value)
    {
        if (value is { } ticks)
            writer.PutUInt32(type, ticks);
    }
}
