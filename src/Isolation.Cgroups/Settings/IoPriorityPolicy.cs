namespace Isolation.Cgroups;

/// <summary>What I/O priority class requests get: <c>io.prio.class</c>.</summary>
public enum IoPriorityPolicy
{
    /// <summary>The process's own.</summary>
    NoChange,

    /// <summary>Real time for those that have none.</summary>
    PromoteToRt,

    /// <summary>Best effort at most.</summary>
    RestrictToBe,

    /// <summary>Idle.</summary>
    Idle,
}
