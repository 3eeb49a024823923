using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>The resources that all processes of a container used, from its control group. Values that the host does not measure are
/// 0.</summary>
public sealed record ContainerUsage
{
    /// <summary>The most memory that was in use at once, page cache included.</summary>
    public ByteSize PeakMemory { get; init; }

    /// <summary>The memory limit; <see cref="ByteSize.Max"/> for none.</summary>
    public ByteSize MemoryMax { get; init; } = ByteSize.Max;

    /// <summary>Processes that the kernel killed because a memory limit was reached: the container's own or an outer one.</summary>
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

    internal LimitHits Limits { get; private init; }

    internal static ContainerUsage Read(Cgroup cgroup)
    {
        using CgroupStats stats = cgroup.OpenKnownStats();
        MemoryStats? memory = stats.Memory;
        LimitHits limits = memory is { OomKills: > 0, LimitHits: > 0 } ? LimitHits.Memory : LimitHits.None;
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
            Limits = limits | (stats.Pids is { Refused: > 0 } ? LimitHits.Pids : LimitHits.None),
        };
    }
}
