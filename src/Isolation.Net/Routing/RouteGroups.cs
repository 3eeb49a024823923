namespace Isolation.Net.Routing;

/// <summary>What a monitor tells of: the multicast groups of rtnetlink(7).</summary>
[Flags]
public enum RouteGroups
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Links.</summary>
    Links = 1,

    /// <summary>Addresses.</summary>
    Addresses = 2,

    /// <summary>Routes.</summary>
    Routes = 4,

    /// <summary>Neighbours.</summary>
    Neighbours = 8,

    /// <summary>Rules.</summary>
    Rules = 16,

    /// <summary>Queueing disciplines, classes and filters.</summary>
    TrafficControl = 32,

    /// <summary>All of them.</summary>
    All = Links | Addresses | Routes | Neighbours | Rules | TrafficControl,
}
