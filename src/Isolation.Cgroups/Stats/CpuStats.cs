namespace Isolation.Cgroups;

/// <summary>CPU time and throttling: <c>cpu.stat</c>; on version 1 <c>cpuacct.usage</c>, <c>cpuacct.stat</c> and <c>cpu.stat</c>.</summary>
public sealed class CpuStats
{
    /// <summary>CPU time of all processes so far.</summary>
    public TimeSpan Usage { get; internal set; }

    /// <summary>The part in user mode.</summary>
    public TimeSpan User { get; internal set; }

    /// <summary>The part in kernel mode.</summary>
    public TimeSpan System { get; internal set; }

    /// <summary>Periods of the bandwidth limit in which something ran.</summary>
    public long Periods { get; internal set; }

    /// <summary>Those of them in which the quota was used up.</summary>
    public long ThrottledPeriods { get; internal set; }

    /// <summary>Time that processes had to wait for quota.</summary>
    public TimeSpan ThrottledTime { get; internal set; }

    /// <summary>Every key of <c>cpu.stat</c>, with those that this version of the library does not know.</summary>
    public KeyedValues All { get; } = new();

    internal void Update(ReadOnlySpan<byte> text, bool v1)
    {
        All.Parse(text);
        Periods = All.Get("nr_periods");
        ThrottledPeriods = All.Get("nr_throttled");
        ThrottledTime = v1 ? Nanoseconds(All.Get("throttled_time")) : Microseconds(All.Get("throttled_usec"));
        if (v1)
            return;
        Usage = Microseconds(All.Get("usage_usec"));
        User = Microseconds(All.Get("user_usec"));
        System = Microseconds(All.Get("system_usec"));
    }

    internal static TimeSpan Microseconds(long count) => TimeSpan.FromTicks(Math.Min(count, long.MaxValue / 10) * 10);

    internal static TimeSpan Nanoseconds(long count) => TimeSpan.FromTicks(count / 100);
}
