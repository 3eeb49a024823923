namespace Isolation.Linux;

/// <summary>Where the steps of a launch run in the new process.</summary>
public enum LaunchForm
{
    /// <summary>In this process's memory, which the child borrows until it executes the program, as after vfork(2). The fastest.</summary>
    InMemory,

    /// <summary>In a process of their own, made from a sealed memfd: the file behind its /proc/self/exe is not this program's.
    /// Used where the workload could write this program's file, or joins a running container. Costs one more execve(2).</summary>
    Sealed,

    /// <summary>In a copy of this process's memory, as after fork(2): only on request. Slow, and slower the larger the heap, since its page
    /// tables are copied. Time offsets and step times are not available.</summary>
    Forked,
}
