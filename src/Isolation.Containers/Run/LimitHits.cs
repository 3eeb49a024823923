namespace Isolation.Containers;

/// <summary>The limits that a container hit.</summary>
[Flags]
public enum LimitHits
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Its time was over, and it was killed.</summary>
    Time = 1,

    /// <summary>Its own memory limit was reached, and the kernel killed one or more of its processes.</summary>
    Memory = 2,

    /// <summary>It had as many processes and threads as it may, and the kernel refused it more.</summary>
    Pids = 4,

    /// <summary>It wrote more to its standard streams than it may, and was killed.</summary>
    Output = 8,

    /// <summary>Its processes used as much CPU time together as they may, and were killed; or the program was ended by SIGXCPU, for its
    /// own limit RLIMIT_CPU.</summary>
    CpuTime = 16,

    /// <summary>The program was ended by SIGXFSZ: it wrote to a file behind the limit RLIMIT_FSIZE.</summary>
    FileSize = 32,
}
