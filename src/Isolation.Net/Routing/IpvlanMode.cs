namespace Isolation.Net.Routing;

/// <summary>Where packets of an ipvlan are switched: <c>IPVLAN_MODE_*</c>.</summary>
public enum IpvlanMode
{
    /// <summary>By hardware address.</summary>
    L2,

    /// <summary>By route, in the parent's namespace.</summary>
    L3,

    /// <summary>By route, with connection tracking.</summary>
    L3S,
}
