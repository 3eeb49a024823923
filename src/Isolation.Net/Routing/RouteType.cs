namespace Isolation.Net.Routing;

/// <summary>What a route does with a packet: <c>RTN_*</c>.</summary>
public enum RouteType : byte
{
    /// <summary>Sends it on.</summary>
    Unicast = 1,

    /// <summary>Takes it in: the address is this host's.</summary>
    Local = 2,

    /// <summary>Sends it as a broadcast.</summary>
    Broadcast = 3,

    /// <summary>Takes it in: one of many with this address.</summary>
    Anycast = 4,

    /// <summary>Sends it as a multicast.</summary>
    Multicast = 5,

    /// <summary>Drops it; the sender gets <c>EINVAL</c>.</summary>
    Blackhole = 6,

    /// <summary>Refuses it: host unreachable.</summary>
    Unreachable = 7,

    /// <summary>Refuses it: administratively prohibited.</summary>
    Prohibit = 8,

    /// <summary>Goes on with the next rule.</summary>
    Throw = 9,
}
