namespace Isolation.Net.Routing;

/// <summary>What is known of a neighbour: <c>NUD_*</c>.</summary>
[Flags]
public enum NeighbourStates : ushort
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>It is being asked for.</summary>
    Incomplete = 1,

    /// <summary>It answered lately.</summary>
    Reachable = 2,

    /// <summary>It answered once.</summary>
    Stale = 4,

    /// <summary>It will be asked again.</summary>
    Delay = 8,

    /// <summary>It is being asked again.</summary>
    Probe = 0x10,

    /// <summary>It does not answer.</summary>
    Failed = 0x20,

    /// <summary>It need not be asked.</summary>
    NoArp = 0x40,

    /// <summary>It was set, and is never asked.</summary>
    Permanent = 0x80,
}
