using System.Diagnostics;
using System.Diagnostics.Metrics;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Measures a control group for any exporter: the meter <c>Isolation.Cgroups</c>,
/// with OpenTelemetry's names for containers.</summary>
/// <remarks>Read when an exporter collects, and at most once in 100 ms for all instruments together. Each measurement has the
/// attribute <c>container.name</c>. Instruments: <c>container.cpu.time</c> (s, by <c>cpu.mode</c>), <c>container.memory.usage</c> (By),
/// <c>container.memory.available</c> (By, where there is a limit), <c>container.disk.io</c> (By, by <c>disk.io.direction</c>); and what the
/// conventions have no name for: <c>isolation.container.pids</c>, <c>isolation.container.oom_kills</c>,
/// <c>isolation.container.cpu.throttled_time</c> (s).</remarks>
/// <example><code>using CgroupMetrics metrics = CgroupMetrics.Start(container.Cgroup!, "job-17");</code></example>
public sealed class CgroupMetrics : IDisposable
{
    /// <summary>The meter's name, for an exporter to listen to.</summary>
    public const string MeterName = "Isolation.Cgroups";

    private static readonly TimeSpan s_freshness = TimeSpan.FromMilliseconds(100);
    private static readonly Lock s_gate = new();
    private static readonly List<CgroupMetrics> s_measured = [];
    private static readonly Meter s_meter = CreateMeter();

    private readonly CgroupStats _stats;
    private readonly KeyValuePair<string, object?> _name;

    private CgroupMetrics(CgroupStats stats, string name) => (_stats, _name) = (stats, new("container.name", name));

    /// <summary>Begins to measure.</summary>
    /// <param name="cgroup">The control group; it may be closed meanwhile.</param>
    /// <param name="name">The value of <c>container.name</c>.</param>
    public static CgroupMetrics Start(Cgroup cgroup, string name)
    {
        ArgumentNullException.ThrowIfNull(cgroup);
        ArgumentException.ThrowIfNullOrEmpty(name);
        var metrics = new CgroupMetrics(cgroup.OpenStats(), name);
        lock (s_gate)
            s_measured.Add(metrics);
        GC.KeepAlive(s_meter);
        return metrics;
    }

    /// <summary>Ends the measuring.</summary>
    public void Dispose()
    {
        lock (s_gate)
            s_measured.Remove(this);
        _stats.Dispose();
    }

    private static Meter CreateMeter()
    {
        var meter = new Meter(MeterName);
        meter.CreateObservableCounter("container.cpu.time", () => Observe<double>(m => m._stats.Cpu is not { } cpu ? [] :
            [m.Measure(cpu.User.TotalSeconds, "cpu.mode", "user"), m.Measure(cpu.System.TotalSeconds, "cpu.mode", "system")]), "s",
            "Total CPU time consumed.");
        meter.CreateObservableUpDownCounter("container.memory.usage",
            () => Observe<long>(m => m._stats.Memory is not { } memory ? [] : [m.Measure(memory.Current)]), "By", "Memory usage.");
        meter.CreateObservableUpDownCounter("container.memory.available",
            () => Observe<long>(m => m._stats.Memory is not { Max: < long.MaxValue } memory ? [] :
                [m.Measure(Math.Max(0, memory.Max - memory.Current))]), "By", "Memory below the limit.");
        meter.CreateObservableCounter("container.disk.io", () => Observe<long>(m => m._stats.Io is not { } io ? [] :
            [m.Measure(io.ReadBytes, "disk.io.direction", "read"), m.Measure(io.WriteBytes, "disk.io.direction", "write")]),
            "By", "Disk bytes.");
        meter.CreateObservableUpDownCounter("isolation.container.pids",
            () => Observe<long>(m => m._stats.Pids is not { } pids ? [] : [m.Measure(pids.Current)]), "{process}",
            "Processes and threads.");
        meter.CreateObservableCounter("isolation.container.oom_kills",
            () => Observe<long>(m => m._stats.Memory is not { } memory ? [] : [m.Measure(memory.OomKills)]), "{process}",
            "Processes killed for want of memory.");
        meter.CreateObservableCounter("isolation.container.cpu.throttled_time",
            () => Observe<double>(m => m._stats.Cpu is not { } cpu ? [] : [m.Measure(cpu.ThrottledTime.TotalSeconds)]), "s",
            "Time waited for CPU quota.");
        return meter;
    }

    private static List<Measurement<T>> Observe<T>(Func<CgroupMetrics, Measurement<T>[]> measure)
        where T : struct
    {
        lock (s_gate)
        {
            var all = new List<Measurement<T>>(s_measured.Count);
            foreach (CgroupMetrics metrics in s_measured)
            {
                if (metrics.TryRefresh())
                    all.AddRange(measure(metrics));
            }

            return all;
        }
    }

    /// <summary>False where the control group is gone.</summary>
    private bool TryRefresh()
    {
        try
        {
            if (Stopwatch.GetElapsedTime(_stats.Timestamp) > s_freshness)
                _stats.Refresh();
            return true;
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            return false;
        }
    }

    private Measurement<T> Measure<T>(T value)
        where T : struct => new(value, _name);

    private Measurement<T> Measure<T>(T value, string key, string text)
        where T : struct => new(value, _name, new KeyValuePair<string, object?>(key, text));
}
