using System.Diagnostics.Metrics;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>What a listener of the meter collects.</summary>
public class MetricsTests
{
    [Fact]
    public void A_group_is_measured_under_the_conventions_names()
    {
        using var test = new TestCgroup("metrics");
        test.Group.WithMemoryMax(ByteSize.FromMebibytes(64));
        test.Start("i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done; exec sleep 1000");
        using CgroupMetrics metrics = CgroupMetrics.Start(test.Group, "metered");
        var seen = new Dictionary<string, double>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == CgroupMetrics.MeterName)
                    l.EnableMeasurementEvents(instrument);
            },
        };
        void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
        {
            Assert.Equal("metered", tags[0].Value);
            seen[instrument.Name + (tags.Length > 1 ? ":" + tags[1].Value : "")] = value;
        }

        listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Record(i, v, tags));
        listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Record(i, v, tags));
        listener.Start();
        Thread.Sleep(500);
        listener.RecordObservableInstruments();
        Assert.Superset(new HashSet<string> { "container.cpu.time:user", "container.cpu.time:system", "container.memory.usage",
            "container.memory.available", "container.disk.io:read", "container.disk.io:write", "isolation.container.pids" },
            seen.Keys.ToHashSet());
        Assert.Equal(1, seen["isolation.container.pids"]);
        Assert.True(seen["container.cpu.time:user"] + seen["container.cpu.time:system"] > 0);
        // The two are read one after the other, and what the shell gives back between them counts in one alone.
        Assert.InRange(seen["container.memory.available"] + seen["container.memory.usage"], 63 << 20, 65 << 20);
        metrics.Dispose();
        seen.Clear();
        listener.RecordObservableInstruments();
        Assert.Empty(seen);
    }
}
