namespace Isolation.Cgroups;

/// <summary>Memory in use. Sizes in bytes.</summary>
public sealed class MemoryStats
{
    /// <summary>Memory in use now, page cache included: <c>memory.current</c>; on version 1 <c>memory.usage_in_bytes</c>.</summary>
    public long Current { get; internal set; }

    /// <summary>The most that was in use: <c>memory.peak</c> (Linux 5.19); on version 1 <c>memory.max_usage_in_bytes</c>.
    /// 0 where the kernel has it not.</summary>
    public long Peak { get; internal set; }

    /// <summary>The limit: <see cref="long.MaxValue"/> for none.</summary>
    public long Max { get; internal set; } = long.MaxValue;

    /// <summary>Swap in use: <c>memory.swap.current</c>; on version 1 memory and swap less memory.</summary>
    public long SwapCurrent { get; internal set; }

    /// <summary>The most swap that was in use: <c>memory.swap.peak</c> (Linux 6.5); 0 where the kernel has it not.</summary>
    public long SwapPeak { get; internal set; }

    /// <summary>Processes that the out-of-memory killer took.</summary>
    public long OomKills { get; internal set; }

    /// <summary>How often its own limit was reached and nothing could be reclaimed: <c>oom</c> of <c>memory.events</c>; on version 1
    /// <c>memory.failcnt</c>, which counts also where something could, and 1 more where memory and swap together reached theirs.</summary>
    public long LimitHits { get; internal set; }

    /// <summary><c>memory.events</c>: <c>low</c>, <c>high</c>, <c>max</c>, <c>oom</c>, <c>oom_kill</c>, <c>oom_group_kill</c>;
    /// on version 1 <c>memory.oom_control</c>.</summary>
    public KeyedValues Events { get; } = new();

    /// <summary><c>memory.stat</c>, every key: <c>anon</c>, <c>file</c>, <c>slab</c> and so on. Empty unless asked for.</summary>
    public KeyedValues Detail { get; } = new();

    /// <summary><c>memory.numa_stat</c> by kind and node. Empty unless asked for.</summary>
    public NestedValues Numa { get; } = new();

    /// <summary>Memory that could not be given back at once: in use less inactive page cache, as docker shows it.
    /// Needs <see cref="CgroupStatKinds.MemoryDetail"/>.</summary>
    public long WorkingSet => Math.Max(0, Current - (Detail["total_inactive_file"] ?? Detail.Get("inactive_file")));
}
