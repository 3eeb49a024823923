using System.Collections.Concurrent;
using System.Diagnostics;
using System.Diagnostics.Metrics;
using Isolation.Containers;

namespace Isolation.Kernel.Tests.Diagnostics;

/// <summary>Spans and measurements of real containers.</summary>
public class TelemetryTests
{
    [Fact]
    public async Task A_launch_is_a_span_below_the_callers()
    {
        using var spans = new Spans();
        using var caller = new Activity("caller");
        caller.Start();
        await using Container container = await Box.Builder("/bin/true").StartAsync();
        Assert.Same(caller, Activity.Current);
        Activity span = spans.Single();
        Assert.Equal(("container.launch", caller.SpanId, ActivityStatusCode.Unset), (span.OperationName, span.ParentSpanId, span.Status));
        Assert.Equal((container.ProcessId, "/bin/true", container.Plan.Form.ToString()), (span.GetTagItem("process.pid"),
            span.GetTagItem("process.executable.path"), span.GetTagItem("isolation.launch.form")));
        Assert.InRange(span.Duration.TotalMilliseconds, 0.01, 60_000);
        Assert.Empty(span.Events);
    }

    [Fact]
    public async Task Each_timed_step_is_an_event_within_the_span()
    {
        using var spans = new Spans();
        await using Container container = await Box.Builder("/bin/true").WithStepTimes().StartAsync();
        Activity span = spans.Single();
        ActivityEvent[] events = [.. span.Events];
        Assert.Equal(container.StepTimes.Select(t => (t.Step.Number, t.Step.Action)),
            events.Select(e => ((int)e.Tags.First(t => t.Key == "isolation.step.number").Value!, e.Name)));
        Assert.NotEmpty(events);
        Assert.Equal(events.OrderBy(e => e.Timestamp).Select(e => e.Name), events.Select(e => e.Name));
        // The two clocks are read one after the other.
        TimeSpan apart = TimeSpan.FromMilliseconds(50);
        Assert.All(events, e => Assert.InRange(e.Timestamp.UtcDateTime, span.StartTimeUtc - apart,
            span.StartTimeUtc + span.Duration + apart));
    }

    [Fact]
    public async Task A_launch_that_fails_is_a_span_with_the_step_and_the_errno()
    {
        using var spans = new Spans();
        LaunchException thrown = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/none", "argument").StartAsync());
        Activity span = spans.Single();
        Assert.Equal((ActivityStatusCode.Error, "execute: execve(2): ENOENT"), (span.Status, span.StatusDescription));
        Assert.Equal(("ENOENT", "execute", thrown.FailedStep.Number), (span.GetTagItem("error.type"), span.GetTagItem("isolation.step"),
            span.GetTagItem("isolation.step.number")));
    }

    [Fact]
    public async Task A_plan_whose_handles_are_closed_ends_its_span()
    {
        using var spans = new Spans();
        var handle = File.OpenHandle("/dev/null");
        LaunchPlan plan = Box.Builder("/bin/true").AddDescriptor(handle, 3).Plan();
        handle.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => plan.StartAsync());
        Assert.Equal("ObjectDisposedException", spans.Single().GetTagItem("error.type"));
    }

    [Fact]
    public async Task Launches_ends_failures_limits_and_denials_are_counted()
    {
        using var measured = new Measurements();
        int before = measured.Running();
        await using (Container container = await Box.Shell("read line").WithStandardInput(Stdio.Pipe).StartAsync())
        {
            Assert.Equal(before + 1, measured.Running());
            await container.StandardInput!.DisposeAsync();
            await container.WaitAsync();
        }

        Assert.Equal(before, measured.Running());
        await Box.Builder("sleep", "100").WithTimeout(TimeSpan.FromMilliseconds(200)).RunAsync();
        await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/none").StartAsync());
        await Box.Shell("unshare --net true; unshare --net true; exit 0").WithStandardError(Stdio.Null).WithDenialReport().RunAsync();
        Assert.Equal(3, measured.Sum("isolation.container.launches"));
        Assert.Equal(3, measured.All("isolation.container.launch.duration").Length);
        Assert.All(measured.All("isolation.container.launch.duration"), m => Assert.InRange(m.Value, 0.00001, 60));
        Assert.Equal("isolation.step=execute,error.type=ENOENT", Assert.Single(measured.All("isolation.container.launch.failures")).Tags);
        Assert.Equal(["failure", "failure", "success"],
            measured.All("isolation.container.duration").Select(m => m.Tags.Split('=')[1]).Order());
        Assert.Equal("isolation.limit=Time", Assert.Single(measured.All("isolation.container.limits")).Tags);
        Assert.Equal(("isolation.call=unshare", 2), Assert.Single(measured.All("isolation.container.denials")) is var d
            ? (d.Tags, (int)d.Value) : default);
    }

    private sealed class Spans : IDisposable
    {
        private readonly ConcurrentQueue<Activity> _ended = [];
        private readonly ActivityListener _listener;

        internal Spans()
        {
            _listener = new ActivityListener
            {
                ShouldListenTo = s => s.Name == ContainerDiagnostics.ActivitySourceName,
                Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
                ActivityStopped = _ended.Enqueue,
            };
            ActivitySource.AddActivityListener(_listener);
        }

        public void Dispose() => _listener.Dispose();

        internal Activity Single() => Assert.Single(_ended);
    }

    private sealed class Measurements : IDisposable
    {
        private readonly ConcurrentQueue<(string Name, double Value, string Tags)> _all = [];
        private readonly MeterListener _listener = new();

        internal Measurements()
        {
            _listener.InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == ContainerDiagnostics.MeterName)
                    l.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<double>((i, v, tags, _) => Record(i, v, tags));
            _listener.SetMeasurementEventCallback<long>((i, v, tags, _) => Record(i, v, tags));
            _listener.SetMeasurementEventCallback<int>((i, v, tags, _) => Record(i, v, tags));
            _listener.Start();
        }

        public void Dispose() => _listener.Dispose();

        internal (double Value, string Tags)[] All(string name) => [.. _all.Where(m => m.Name == name).Select(m => (m.Value, m.Tags))];

        internal double Sum(string name) => All(name).Sum(m => m.Value);

        internal int Running()
        {
            _listener.RecordObservableInstruments();
            return (int)All("isolation.container.running")[^1].Value;
        }

        private void Record(Instrument instrument, double value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            _all.Enqueue((instrument.Name, value, string.Join(',', tags.ToArray().Select(t => $"{t.Key}={t.Value}"))));
    }
}
