namespace Isolation.Containers;

/// <summary>The limits that a container hit.</summary>
[Flags]
public enum LimitHits
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary>Its time limit was reached, and it was killed.</summary>
    Time = 1,

    /// <summary>Its own memory limit was reached, and the kernel killed one or more of its processes.</summary>
    Memory = 2,

    /// <summary>Its limit of processes and threads was reached, and the kernel refused a fork.</summary>
    Pids = 4,

    /// <summary>Its limit of output to its standard streams was exceeded, and it was killed.</summary>
    Output = 8,

    /// <summary>Its limit of CPU time, which counts all its processes, was reached, and it was killed; or SIGXCPU ended the program, by
    /// its own limit RLIMIT_CPU.</summary>
    CpuTime = 16,

    /// <summary>SIGXFSZ ended the program: it wrote to a file beyond the limit RLIMIT_FSIZE.</summary>
    FileSize = 32,
}
