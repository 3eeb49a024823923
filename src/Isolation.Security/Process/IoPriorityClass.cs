namespace Isolation.Security;

/// <summary>A class of I/O priority: <c>IOPRIO_CLASS_*</c>.</summary>
public enum IoPriorityClass
{
    /// <summary>By the thread's nice value.</summary>
    None = 0,

    /// <summary>Before all others.</summary>
    RealTime = 1,

    /// <summary>In turns.</summary>
    BestEffort = 2,

    /// <summary>Only what nobody else wants.</summary>
    Idle = 3,
}
