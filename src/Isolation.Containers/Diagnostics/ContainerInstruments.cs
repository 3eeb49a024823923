using System.Diagnostics;
using System.Diagnostics.Metrics;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>The activity source and the meter <c>Isolation</c>. Nothing is allocated where nobody listens.</summary>
internal static class ContainerInstruments
{
    private const string SpanName = "container.launch";

    private static readonly ActivitySource s_source = new(ContainerDiagnostics.ActivitySourceName);
    private static readonly Meter s_meter = new(ContainerDiagnostics.MeterName);
    private static int s_running;

    private static readonly Counter<long> s_launches =
        s_meter.CreateCounter<long>("isolation.container.launches", "{container}", "Containers that started.");

    private static readonly Histogram<double> s_launchTime =
        s_meter.CreateHistogram<double>("isolation.container.launch.duration", "s", "From the request to the start of the program.");

    private static readonly Counter<long> s_launchFailures =
        s_meter.CreateCounter<long>("isolation.container.launch.failures", "{container}", "Containers that did not start.");

    private static readonly Histogram<double> s_duration =
        s_meter.CreateHistogram<double>("isolation.container.duration", "s", "From the start of the program to its end.");

    private static readonly Counter<long> s_limits =
        s_meter.CreateCounter<long>("isolation.container.limits", "{hit}", "Limits that containers hit.");

    private static readonly Counter<long> s_denials =
        s_meter.CreateCounter<long>("isolation.container.denials", "{call}", "Calls that seccomp filters refused, as reported.");

    private static readonly Counter<long> s_cleanUpFailures =
        s_meter.CreateCounter<long>("isolation.container.cleanup.failures", "{failure}", "What could not be removed after a container.");

    private static readonly ObservableUpDownCounter<int> s_runningNow =
        s_meter.CreateObservableUpDownCounter("isolation.container.running", () => Volatile.Read(ref s_running), "{container}",
            "Containers of this process that run.");

    /// <summary>Whether an end is measured.</summary>
    internal static bool MeasuresEnds => s_duration.Enabled || s_limits.Enabled || s_denials.Enabled;

    /// <summary>Begins the span of a launch, below the caller's; null where nobody listens. It does not become the current one: it ends on
    /// another thread.</summary>
    internal static Activity? BeginLaunch(LaunchPlan plan)
    {
        if (!s_source.HasListeners())
            return null;
        Activity? current = Activity.Current;
        Activity? span = s_source.StartActivity(SpanName);
        Activity.Current = current;
        if (span is not { IsAllDataRequested: true })
            return span;
        if (plan.Spec.Name is { } name)
            span.SetTag("container.name", name);
        return span.SetTag("process.executable.path", PrintableText.Of(plan.Spec.Command[0]))
            .SetTag("isolation.launch.form", plan.Form.ToString());
    }

    internal static void CountStart(double seconds)
    {
        s_launches.Add(1);
        s_launchTime.Record(seconds);
    }

    internal static void CountFailure(string step, string error)
    {
        if (s_launchFailures.Enabled)
            s_launchFailures.Add(1, new("isolation.step", step), new("error.type", error));
    }

    internal static void CountEnd(ContainerResult result)
    {
        if (s_duration.Enabled)
            s_duration.Record(result.Duration.TotalSeconds, new KeyValuePair<string, object?>("isolation.outcome",
                result.IsSuccess ? "success" : "failure"));
        foreach (LimitHits limit in Each(result.Limits))
            s_limits.Add(1, new KeyValuePair<string, object?>("isolation.limit", limit.ToString()));
        foreach (SeccompDenial denial in result.Denials)
            s_denials.Add(denial.Count, new KeyValuePair<string, object?>("isolation.call", NameOf(denial)));
    }

    internal static void CountCleanUpFailure(string action)
    {
        if (s_cleanUpFailures.Enabled)
            s_cleanUpFailures.Add(1, new KeyValuePair<string, object?>("isolation.action", action));
    }

    internal static void CountRunning(int difference) => Interlocked.Add(ref s_running, difference);

    internal static IEnumerable<LimitHits> Each(LimitHits limits) => limits == LimitHits.None ? [] :
        Enum.GetValues<LimitHits>().Where(l => l != LimitHits.None && limits.HasFlag(l));

    /// <summary>The call alone: its arguments are the program's, and may be secrets.</summary>
    internal static string NameOf(SeccompDenial denial) => denial.Verdict.Call.Name
        ?? string.Create(System.Globalization.CultureInfo.InvariantCulture, $"call {denial.Verdict.Call.Number}");

    /// <summary>Ends a span on this thread, whose current activity stays as it is.</summary>
    internal static void End(Activity span)
    {
        Activity? current = Activity.Current;
        span.Dispose();
        Activity.Current = current;
    }
}
