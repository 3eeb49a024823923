using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Events;
using Microsoft.Extensions.Logging;

namespace Isolation.Containers;

public sealed partial class Container
{
    // What a plan has fallen back to is told once for it.
    private static readonly ConditionalWeakTable<LaunchPlan, object> s_told = [];

    private Activity? _span;

    private ILogger? Logger => ContainerDiagnostics.LoggerOf(Plan.Asked);

    /// <summary>The name that was given, or that its control group was given; empty where it has neither.</summary>
    private string LoggedName => Plan.Spec.Name ?? (Cgroup is { } cgroup ? cgroup.Path[(cgroup.Path.LastIndexOf('-') + 1)..] : "");

    private string LoggedProgram => PrintableText.Of(Plan.Spec.Command[0]);

    private double MillisecondsSinceStart => Stopwatch.GetElapsedTime(_startTimestamp).TotalMilliseconds;

    /// <summary>On the caller's thread, before the launch is queued.</summary>
    internal void BeginTelling()
    {
        _startTimestamp = Stopwatch.GetTimestamp();
        _span = ContainerInstruments.BeginLaunch(Plan);
    }

    /// <summary>The program runs.</summary>
    /// <param name="begin">When the steps began; zero unless they are timed.</param>
    /// <param name="duration">From the request to here.</param>
    private void TellStarted(TimeSpan begin, TimeSpan duration)
    {
        ContainerInstruments.CountRunning(1);
        try
        {
            ContainerInstruments.CountStart(duration.TotalSeconds);
            if (_span is { } span)
            {
                AddSteps(span, begin);
                span.SetTag("process.pid", ProcessId);
                ContainerInstruments.End(span);
            }

            if (Logger is not { } logger)
                return;
            if (logger.IsEnabled(LogLevel.Information))
                LogMessages.ContainerStarted(logger, LoggedName, ProcessId, LoggedProgram, duration.TotalMilliseconds, FormName);
            if (logger.IsEnabled(LogLevel.Warning) && s_told.TryAdd(Plan, Plan))
                TellFallbacks(logger);
        }
#pragma warning disable CA1031 // A listener's own failure must not fail the launch.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private string FormName => Plan.Form switch
    {
        LaunchForm.Sealed => "from a sealed image",
        LaunchForm.Forked => "in a copy of the memory",
        _ => "in memory",
    };

    private void TellFallbacks(ILogger logger)
    {
        foreach (PlanFallback fallback in PlanFallbacks.Of(Plan))
        {
            if (fallback.Weakens)
                LogMessages.ProtectionMissing(logger, LoggedName, fallback.Part, fallback.Chosen, fallback.Reason);
            else
                LogMessages.FallbackChosen(logger, LoggedName, fallback.Part, fallback.Chosen, fallback.Reason);
        }
    }

    private void AddSteps(Activity span, TimeSpan begin)
    {
        if (!span.IsAllDataRequested || StepTimes.IsEmpty)
            return;
        DateTimeOffset at = DateTimeOffset.UtcNow - (ContainerLaunch.Now - begin);
        foreach (StepTime time in StepTimes)
        {
            at += time.Duration;
            span.AddEvent(new ActivityEvent(time.Step.Action, at, new ActivityTagsCollection
            {
                ["isolation.step.number"] = time.Step.Number,
                ["isolation.step.in_child"] = time.Step.InChild,
                ["isolation.step.duration"] = time.Duration.TotalSeconds,
            }));
        }
    }

    /// <summary>The start failed, and is undone: tells it, and then whoever waits for it.</summary>
    private void FailStart(Exception failure)
    {
        TellRefused(failure);
        _started.TrySetException(failure);
    }

    /// <summary>The start failed, and its caller is told by the exception itself.</summary>
    internal void TellRefused(Exception failure)
    {
        try
        {
            TellFailed(failure);
        }
#pragma warning disable CA1031 // A listener's own failure must not hide the launch's.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void TellFailed(Exception failure)
    {
        bool cancelled = failure is OperationCanceledException
            || (StartCancelled.IsCancellationRequested && failure is LaunchException { Errno: Errno.None });
        var launch = failure as LaunchException;
        string error = (failure as LinuxException)?.Errno.Name() ?? failure.GetType().Name;
        if (!cancelled)
            ContainerInstruments.CountFailure(launch?.FailedStep.Action ?? "", error);
        if (_span is { } span)
        {
            span.SetTag("error.type", cancelled ? "cancelled" : error);
            if (launch is not null)
                span.SetTag("isolation.step", launch.FailedStep.Action).SetTag("isolation.step.number", launch.FailedStep.Number);
            span.SetStatus(ActivityStatusCode.Error, launch is null ? error : $"{launch.FailedStep.Action}: {launch.Call}: {error}");
            ContainerInstruments.End(span);
        }

        if (Logger is not { } logger)
            return;
        string name = Plan.Spec.Name ?? "";
        if (cancelled)
            LogMessages.LaunchCancelled(logger, name, LoggedProgram, MillisecondsSinceStart);
        else if (launch is not null)
            LogMessages.LaunchFailed(logger, name, LoggedProgram, launch.FailedStep.Number, Plan.Steps.Length, launch.FailedStep.Action,
                launch.Call, error, MillisecondsSinceStart);
        else
            LogMessages.LaunchRefused(logger, name, LoggedProgram, error, MillisecondsSinceStart);
    }

    /// <summary>Everything in it has ended: tells it, and then whoever waits for that.</summary>
    private void SetEnded(ContainerResult result)
    {
        ContainerInstruments.CountRunning(-1);
        if (Logger is null && !ContainerInstruments.MeasuresEnds)
            _ended.TrySetResult(result);
        else
            TellEndedElsewhere(result);
    }

    /// <summary>Not on the watcher's thread, which serves all containers. A method of its own, so that where nobody listens there is
    /// nothing to allocate.</summary>
    private void TellEndedElsewhere(ContainerResult result) => BlockingWork.Cleanup.Post(() =>
    {
        try
        {
            TellEnded(result);
        }
        finally
        {
            _ended.TrySetResult(result);
        }
    });

    private void TellEnded(ContainerResult result)
    {
        ContainerInstruments.CountEnd(result);
        if (Logger is not { } logger)
            return;
        foreach (LimitHits limit in ContainerInstruments.Each(result.Limits))
            LogMessages.LimitHit(logger, LoggedName, ProcessId, limit, MaxOf(limit, result));
        if (result.StreamFailure is { } failure)
            LogMessages.StreamFailed(logger, LoggedName, failure.GetType().Name);
        if (!logger.IsEnabled(LogLevel.Information))
            return;
        LogMessages.ContainerEnded(logger, LoggedName, ProcessId, LoggedProgram, result.Status.ToString(),
            result.Duration.TotalMilliseconds, result.Limits);
    }

    private string MaxOf(LimitHits limit, ContainerResult result)
    {
        ContainerSpec spec = Plan.Spec;
        object? max = limit switch
        {
            LimitHits.Time => spec.Timeout,
            LimitHits.CpuTime => spec.CpuTimeMax,
            LimitHits.Output => spec.OutputMax,
            LimitHits.Memory => result.Usage?.MemoryMax,
            LimitHits.Pids => spec.Resources["pids.max"] ?? ContainerDefaults.PidsMax.ToString(CultureInfo.InvariantCulture),
            _ => null,
        };
        return max switch
        {
            TimeSpan time => time.ToString("c", CultureInfo.InvariantCulture),
            ByteSize size => size.ToHumanString(),
            _ => max as string ?? "its rlimit",
        };
    }

    /// <summary>A call was refused that had not been before.</summary>
    private void TellDenied(SeccompDenial denial, int processId)
    {
        try
        {
            if (Logger is { } logger)
                LogMessages.CallDenied(logger, LoggedName, ContainerInstruments.NameOf(denial), processId,
                    PrintableText.Of(denial.Program ?? ""), denial.Verdict.Action.ToString());
        }
#pragma warning disable CA1031 // The call waits for its answer.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    /// <summary>The program has ended. Whether others still run is asked only where somebody wants to know.</summary>
    private void TellSurvivors()
    {
        if (Cgroup is { } cgroup && Logger is { } logger)
            TellSurvivors(cgroup, logger);
    }

    // A method of its own: see above.
    private void TellSurvivors(Cgroup cgroup, ILogger logger)
    {
        try
        {
            if (logger.IsEnabled(LogLevel.Information) && !cgroup.ReadProcesses(recursive: true).IsEmpty)
                BlockingWork.Cleanup.Post(() => LogMessages.SurvivorsKilled(logger, LoggedName, ProcessId, LoggedProgram));
        }
#pragma warning disable CA1031 // Asked for the log alone.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    private void TellCleanUpFailure(string action, Exception failure) =>
        ContainerDiagnostics.TellCleanUpFailure(Plan.Asked, LoggedName, action, failure);
}
