using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>The memory controller's settings. Sizes are rounded down to pages by the kernel.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, "Memory Interface Files". Scope of each: the control group and everything below it.</remarks>
public static class MemoryControls
{
    /// <summary>Protects memory absolutely: below this use, nothing is reclaimed. Writes <c>memory.min</c>.
    /// Since Linux 4.18; not on version 1.</summary>
    public static T WithMemoryMin<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> => Set(cgroup, "memory.min", size);

    /// <summary>Protects memory as long as others have some to give. Writes <c>memory.low</c>;
    /// on version 1 <c>memory.soft_limit_in_bytes</c>.</summary>
    public static T WithMemoryLow<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> => Set(cgroup, "memory.low", size);

    /// <summary>Throttles and reclaims above this use, but kills nothing. Writes <c>memory.high</c>. Not on version 1.</summary>
    public static T WithMemoryHigh<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> => Set(cgroup, "memory.high", size);

    /// <summary>The hard limit: what cannot be reclaimed above it makes the kernel kill a process inside. Writes <c>memory.max</c>;
    /// on version 1 <c>memory.limit_in_bytes</c>.</summary>
    public static T WithMemoryMax<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> => Set(cgroup, "memory.max", size);

    /// <summary>Throttles allocation above this use of swap. Writes <c>memory.swap.high</c>. Since Linux 5.8; not on version 1.</summary>
    public static T WithMemorySwapHigh<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> =>
        Set(cgroup, "memory.swap.high", size);

    /// <summary>The hard limit of swap alone; 0 for none. Writes <c>memory.swap.max</c>; on version 1 <c>memory.memsw.limit_in_bytes</c>,
    /// which is memory and swap together.</summary>
    public static T WithMemorySwapMax<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> => Set(cgroup, "memory.swap.max", size);

    /// <summary>The limit of compressed swap in memory. Writes <c>memory.zswap.max</c>.
    /// Since Linux 5.19, with zswap; not on version 1.</summary>
    public static T WithMemoryZswapMax<T>(this T cgroup, ByteSize size) where T : ICgroupControls<T> =>
        Set(cgroup, "memory.zswap.max", size);

    /// <summary>Whether zswap may write to the swap device. Writes <c>memory.zswap.writeback</c>.
    /// Since Linux 6.8, with zswap; not on version 1.</summary>
    public static T WithMemoryZswapWriteback<T>(this T cgroup, bool writeback) where T : ICgroupControls<T> =>
        Set(cgroup, "memory.zswap.writeback", writeback);

    /// <summary>Whether an out-of-memory kill takes all processes inside and not one. Writes <c>memory.oom.group</c>.
    /// Since Linux 4.19; not on version 1.</summary>
    public static T WithMemoryOomGroup<T>(this T cgroup, bool all) where T : ICgroupControls<T> => Set(cgroup, "memory.oom.group", all);

    /// <summary>How eagerly anonymous memory is swapped, 0 to 200. Writes <c>memory.swappiness</c>: version 1 only.</summary>
    public static T WithMemorySwappiness<T>(this T cgroup, int swappiness) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfNegative(swappiness);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(swappiness, 200);
        return Set(cgroup, "memory.swappiness", swappiness);
    }

    private static T Set<T>(T cgroup, string file, object value) where T : ICgroupControls<T> => CgroupControls.Set(cgroup, file, value);
}
