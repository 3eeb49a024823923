using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>A bridge: a switch in the kernel, whose ports are the links that have it as <see cref="Link.Master"/>.
/// <c>ip link add NAME type bridge</c>.</summary>
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

    /// <summary>Whether VLANs are told apart.</summary>
    public bool? VlanFiltering { get; init; }

    /// <summary>The VLAN of untagged packets, where VLANs are told apart; 0 for none.</summary>
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

/// <summary>A link as the port of a bridge: <c>bridge link</c>.</summary>
public sealed record BridgePort
{
    /// <summary>Whether it sees only ports that are not isolated.</summary>
    public bool? Isolated { get; init; }

    /// <summary>Whether what came in here may go out here again.</summary>
    public bool? Hairpin { get; init; }

    /// <summary>Whether it learns addresses.</summary>
    public bool? Learning { get; init; }

    /// <summary>Whether packets to unknown addresses go out here.</summary>
    public bool? UnicastFlood { get; init; }

    /// <summary>Whether multicast packets go out here.</summary>
    public bool? MulticastFlood { get; init; }

    /// <summary>Whether broadcast packets go out here.</summary>
    public bool? BroadcastFlood { get; init; }

    /// <summary>Whether spanning tree messages that come in here are dropped.</summary>
    public bool? Guard { get; init; }

    /// <summary>What a path through here costs in the spanning tree.</summary>
    public uint? Cost { get; init; }

    /// <summary>Its priority in the spanning tree.</summary>
    public ushort? Priority { get; init; }

    internal void Write(NetlinkWriter writer)
    {
        void Flag(ushort type, bool? value)
        {
            if (value is { } flag)
                writer.PutByte(type, flag ? (byte)1 : (byte)0);
        }

        Flag(IfLink.IFLA_BRPORT_ISOLATED, Isolated);
        Flag(IfLink.IFLA_BRPORT_MODE, Hairpin);
        Flag(IfLink.IFLA_BRPORT_LEARNING, Learning);
        Flag(IfLink.IFLA_BRPORT_UNICAST_FLOOD, UnicastFlood);
        Flag(IfLink.IFLA_BRPORT_MCAST_FLOOD, MulticastFlood);
        Flag(IfLink.IFLA_BRPORT_BCAST_FLOOD, BroadcastFlood);
        Flag(IfLink.IFLA_BRPORT_GUARD, Guard);
        if (Cost is { } cost)
            writer.PutUInt32(IfLink.IFLA_BRPORT_COST, cost);
        if (Priority is { } priority)
            writer.PutUInt16(IfLink.IFLA_BRPORT_PRIORITY, priority);
    }

    internal static BridgePort Read(AttributeReader data)
    {
        var port = new BridgePort();
        while (data.MoveNext())
        {
            port = data.Type switch
            {
                IfLink.IFLA_BRPORT_ISOLATED => port with { Isolated = data.Byte != 0 },
                IfLink.IFLA_BRPORT_MODE => port with { Hairpin = data.Byte != 0 },
                IfLink.IFLA_BRPORT_LEARNING => port with { Learning = data.Byte != 0 },
                IfLink.IFLA_BRPORT_UNICAST_FLOOD => port with { UnicastFlood = data.Byte != 0 },
                IfLink.IFLA_BRPORT_MCAST_FLOOD => port with { MulticastFlood = data.Byte != 0 },
                IfLink.IFLA_BRPORT_BCAST_FLOOD => port with { BroadcastFlood = data.Byte != 0 },
                IfLink.IFLA_BRPORT_GUARD => port with { Guard = data.Byte != 0 },
                IfLink.IFLA_BRPORT_COST => port with { Cost = data.UInt32 },
                IfLink.IFLA_BRPORT_PRIORITY => port with { Priority = data.UInt16 },
                _ => port,
            };
        }

        return port;
    }
}
