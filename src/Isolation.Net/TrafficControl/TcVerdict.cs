namespace Isolation.Net.TrafficControl;

/// <summary>What becomes of a packet: <c>TC_ACT_*</c>.</summary>
public enum TcVerdict
{
    /// <summary>The next filter is asked: <c>continue</c>.</summary>
    Unspecified = -1,

    /// <summary>It goes on: <c>pass</c>.</summary>
    Ok = 0,

    /// <summary>The filters are asked from the beginning.</summary>
    Reclassify = 1,

    /// <summary>It is dropped.</summary>
    Drop = 2,

    /// <summary>The next action of the filter follows.</summary>
    Pipe = 3,

    /// <summary>It is taken away by the action.</summary>
    Stolen = 4,
}
