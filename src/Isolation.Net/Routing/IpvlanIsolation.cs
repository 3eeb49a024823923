namespace Isolation.Net.Routing;

/// <summary>How the ipvlans of one parent see each other.</summary>
public enum IpvlanIsolation
{
    /// <summary>Directly.</summary>
    Bridge = 0,

    /// <summary>Not at all: <c>IPVLAN_F_PRIVATE</c>.</summary>
    Private = 1,

    /// <summary>Through the switch outside: <c>IPVLAN_F_VEPA</c>.</summary>
    Vepa = 2,
}
