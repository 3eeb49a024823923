namespace Isolation.Containers;

/// <summary>Where a step of a plan runs.</summary>
internal enum StepSide
{
    /// <summary>In this process, before the new one exists; or, without calls, the making of it.</summary>
    Parent,

    /// <summary>In this process, while the new one waits.</summary>
    Handshake,

    /// <summary>In the new process, in this process's memory.</summary>
    Borrowed,

    /// <summary>In the new process, in its sealed image.</summary>
    Sealed,
}
