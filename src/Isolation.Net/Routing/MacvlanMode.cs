namespace Isolation.Net.Routing;

/// <summary>How the links of one parent see each other: <c>MACVLAN_MODE_*</c>.</summary>
public enum MacvlanMode
{
    /// <summary>Not at all.</summary>
    Private = 1,

    /// <summary>Through the switch outside.</summary>
    Vepa = 2,

    /// <summary>Directly.</summary>
    Bridge = 4,

    /// <summary>There is only one, which takes the parent over.</summary>
    Passthru = 8,
}
