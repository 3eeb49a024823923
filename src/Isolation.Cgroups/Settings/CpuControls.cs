namespace Isolation.Cgroups;

/// <summary>The CPU controller's settings.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, "CPU Interface Files". Scope of each: the control group and everything below it.</remarks>
public static class CpuControls
{
    /// <summary>Limits CPU time. Writes <c>cpu.max</c>; on version 1 <c>cpu.cfs_quota_us</c> and <c>cpu.cfs_period_us</c>.</summary>
    public static T WithCpuMax<T>(this T cgroup, CpuMax max) where T : ICgroupControls<T>
    {
        if (max.Period < TimeSpan.FromMilliseconds(1) || max.Period > TimeSpan.FromSeconds(1) || max.Quota < TimeSpan.FromMilliseconds(1))
            throw new ArgumentOutOfRangeException(nameof(max), max, "The period must be 1 ms to 1 s, and the quota at least 1 ms.");
        return CgroupControls.Set(cgroup, "cpu.max", max);
    }

    /// <summary>Limits CPU time to that of so many processors, such as 0.75. Writes <c>cpu.max</c>, as <see cref="WithCpuMax"/>.</summary>
    public static T WithCpus<T>(this T cgroup, double cores) where T : ICgroupControls<T> => WithCpuMax(cgroup, CpuMax.FromCores(cores));

    /// <summary>CPU time that may be saved up for later use above the quota. Writes <c>cpu.max.burst</c>;
    /// on version 1 <c>cpu.cfs_burst_us</c>. Since Linux 5.14.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="burst">At most the quota.</param>
    public static T WithCpuMaxBurst<T>(this T cgroup, TimeSpan burst) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(burst, TimeSpan.Zero);
        return CgroupControls.Set(cgroup, "cpu.max.burst", (long)burst.TotalMicroseconds);
    }

    /// <summary>The share of CPU time against siblings that want some too, 1 to 10000; 100 is the default. Writes <c>cpu.weight</c>; on
    /// version 1 <c>cpu.shares</c>.</summary>
    public static T WithCpuWeight<T>(this T cgroup, int weight) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(weight, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(weight, 10000);
        return CgroupControls.Set(cgroup, "cpu.weight", weight);
    }

    /// <summary>The same share in nice values, -20 to 19. Writes <c>cpu.weight.nice</c>. Not on version 1.</summary>
    public static T WithCpuWeightNice<T>(this T cgroup, int nice) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(nice, -20);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(nice, 19);
        return CgroupControls.Set(cgroup, "cpu.weight.nice", nice);
    }

    /// <summary>The share in docker's and version 1's measure, 2 to 262144; 1024 is the default there. Writes <c>cpu.shares</c>; on version
    /// 2 <c>cpu.weight</c>, converted as runc 1.3.2, crun 1.23 and Kubernetes do: 1024 becomes 100, the default of both.</summary>
    /// <remarks>The conversion fits the least, the default and the greatest value, and so keeps no ratios: 1024 and 512 are two to one on
    /// version 1, and 100 to 59 on version 2. <see cref="WithCpuWeight"/> keeps them on both.</remarks>
    public static T WithCpuShares<T>(this T cgroup, int shares) where T : ICgroupControls<T>
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(shares, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(shares, 262_144);
        return CgroupControls.Set(cgroup, "cpu.shares", shares);
    }

    /// <summary>Whether it runs only when nothing else wants to (<c>SCHED_IDLE</c>). Writes <c>cpu.idle</c>. Since Linux 5.15.</summary>
    public static T WithCpuIdle<T>(this T cgroup, bool idle) where T : ICgroupControls<T> => CgroupControls.Set(cgroup, "cpu.idle", idle);

    /// <summary>The least processor frequency that is asked for, in percent of the most. Writes <c>cpu.uclamp.min</c>.
    /// Since Linux 5.4, with <c>CONFIG_UCLAMP_TASK_GROUP</c>; not on version 1.</summary>
    public static T WithCpuUclampMin<T>(this T cgroup, double percent) where T : ICgroupControls<T> =>
        Clamp(cgroup, "cpu.uclamp.min", percent);

    /// <summary>The most processor frequency that is asked for, in percent of the most. Writes <c>cpu.uclamp.max</c>.
    /// Since Linux 5.4, with <c>CONFIG_UCLAMP_TASK_GROUP</c>; not on version 1.</summary>
    public static T WithCpuUclampMax<T>(this T cgroup, double percent) where T : ICgroupControls<T> =>
        Clamp(cgroup, "cpu.uclamp.max", percent);

    /// <summary>Real-time CPU time in each period. Writes <c>cpu.rt_runtime_us</c>: version 1 only,
    /// with <c>CONFIG_RT_GROUP_SCHED</c>.</summary>
    public static T WithCpuRtRuntime<T>(this T cgroup, TimeSpan runtime) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpu.rt_runtime_us", (long)runtime.TotalMicroseconds);

    /// <summary>The period of <see cref="WithCpuRtRuntime"/>. Writes <c>cpu.rt_period_us</c>: version 1 only.</summary>
    public static T WithCpuRtPeriod<T>(this T cgroup, TimeSpan period) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpu.rt_period_us", (long)period.TotalMicroseconds);

    /// <summary>Version 1's shares as version 2's weight: ten to the power of a quadratic function of the binary logarithm, through 2 and
    /// 1, 1024 and 100, 262144 and 10000; rounded up. See the conversion of opencontainers/cgroups 0.0.5.</summary>
    internal static long WeightOfShares(long shares)
    {
        if (shares <= 2)
            return 1;
        if (shares >= 262_144)
            return 10_000;
        double log = Math.Log2(shares);
        return (long)Math.Ceiling(Math.Pow(10, (((log * log) + (125 * log)) / 612) - (7.0 / 34)));
    }

    /// <summary>Version 2's weight as version 1's shares, in proportion and rounded as the kernel does it (kernel/sched/sched.h,
    /// <c>sched_weight_from_cgroup</c>): 100 is 1024.</summary>
    internal static long SharesOfWeight(long weight) => Math.Clamp(((weight * 1024) + 50) / 100, 2, 262_144);

    private static T Clamp<T>(T cgroup, string file, double percent) where T : ICgroupControls<T>
    {
        if (!(percent >= 0 && percent <= 100))
            throw new ArgumentOutOfRangeException(nameof(percent), percent, "Must be 0 to 100.");
        return CgroupControls.Set(cgroup, file, percent.ToString("F2", System.Globalization.CultureInfo.InvariantCulture));
    }
}
