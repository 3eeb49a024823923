namespace Isolation.Net.Routing;

/// <summary>RFC 2863's state of a link: <c>IF_OPER_*</c>.</summary>
public enum OperationalState
{
    /// <summary>The kernel does not say.</summary>
    Unknown,

    /// <summary>A part is missing.</summary>
    NotPresent,

    /// <summary>Down.</summary>
    Down,

    /// <summary>The layer below it is down.</summary>
    LowerLayerDown,

    /// <summary>Testing.</summary>
    Testing,

    /// <summary>Waits for something, such as authentication.</summary>
    Dormant,

    /// <summary>Up.</summary>
    Up,
}
