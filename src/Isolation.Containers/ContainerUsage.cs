using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>The limits of a container that made themselves felt.</summary>
[Flags]
public enum ContainerLimits
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

/// <summary>What all processes of a container used, by its control group. What the host does not measure is 0.</summary>
public sealed record ContainerUsage
{
    /// <summary>The most memory that was in use at once, page cache included.</summary>
    public ByteSize PeakMemory { get; init; }

    /// <summary>The memory limit; <see cref="ByteSize.Max"/> for none.</summary>
    public ByteSize MemoryMax { get; init; } = ByteSize.Max;

    /// <summary>Processes that the kernel killed for want of memory, be it by the container's own limit or by an outer one.</summary>
    public long OomKills { get; init; }

    /// <summary>CPU time.</summary>
    public TimeSpan CpuTime { get; init; }

    /// <summary>Time that processes waited because the CPU limit was used up.</summary>
    public TimeSpan ThrottledTime { get; init; }

    /// <summary>What was read from block devices.</summary>
    public ByteSize ReadBytes { get; init; }

    /// <summary>What was written to block devices.</summary>
    public ByteSize WriteBytes { get; init; }

    /// <summary>Forks that the limit of processes refused.</summary>
    public long RefusedForks { get; init; }

    /// <summary>The most processes and threads at once; 0 before Linux 6.1 and on version 1.</summary>
    public long PeakPids { get; init; }

    internal ContainerLimits Limits { get; private init; }

    internal static ContainerUsage Read(Cgroup cgroup)
    {
        using CgroupStats stats = cgroup.OpenKnownStats();
        MemoryStats? memory = stats.Memory;
        ContainerLimits limits = memory is { OomKills: > 0, LimitHits: > 0 } ? ContainerLimits.Memory : ContainerLimits.None;
        return new ContainerUsage
        {
            PeakMemory = new(memory?.Peak ?? 0),
            MemoryMax = memory is null || memory.Max == long.MaxValue ? ByteSize.Max : new ByteSize(memory.Max),
            OomKills = memory?.OomKills ?? 0,
            CpuTime = stats.Cpu?.Usage ?? TimeSpan.Zero,
            ThrottledTime = stats.Cpu?.ThrottledTime ?? TimeSpan.Zero,
            ReadBytes = new(stats.Io?.ReadBytes ?? 0),
            WriteBytes = new(stats.Io?.WriteBytes ?? 0),
            RefusedForks = stats.Pids?.Refused ?? 0,
            PeakPids = stats.Pids?.Peak ?? 0,
            Limits = limits | (stats.Pids is { Refused: > 0 } ? ContainerLimits.Pids : ContainerLimits.None),
        };
    }
}
