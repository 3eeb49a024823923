using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

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
