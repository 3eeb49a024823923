using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation run</c>.</summary>
internal static class RunCommand
{
    internal static async Task<int> RunAsync(CommandLine line)
    {
        RunOptions options = RunOptions.From(line);
        try
        {
            LaunchPlan plan = options.MakePlan();
            if (options.Plan)
            {
                await StandardStreams.Output.WriteAsync(plan.ToDetailedString());
                return 0;
            }

            return await RunAsync(plan, options);
        }
        catch (LaunchException e)
        {
            Failure.Tell(e.Message);
            return !e.IsExecution ? Program.Failed : e.Errno is Errno.ENOENT or Errno.ENOTDIR ? Program.NotFound : Program.NotExecutable;
        }
    }

    /// <summary>Starts the container; null where a signal has ended the start.</summary>
    private static Container? Start(LaunchPlan plan, SignalForwarding signals)
    {
        try
        {
            return plan.Start(signals.StartCancelled);
        }
        catch (OperationCanceledException) when (signals.CancelledBy != Signal.None)
        {
            return null;
        }
    }

    private static async Task<int> RunAsync(LaunchPlan plan, RunOptions options)
    {
        // Before the start, so that no signal can end this process while the container is on its way.
        using var signals = new SignalForwarding();
        if (Start(plan, signals) is not { } process)
            return 128 + (int)signals.CancelledBy;
        await using (process)
        {
            signals.SendTo(process);
            foreach (PublishedPort port in options.Network.ChosenPorts)
                Failure.Tell($"published {port}.");
            if (options.Times)
                Failure.Write(string.Join('\n', process.StepTimes) + "\n");
            using TerminalRelay? relay = process.Terminal is { } terminal ? new TerminalRelay(terminal, options.Interactive) : null;
            Task<ContainerResult> end = process.WaitAsync();
            if (relay is not null)
            {
                // A program whose output nobody takes would wait for ever.
                if (await Task.WhenAny(end, relay.OutputFailed) != end)
                    await process.KillAllAsync();
                await relay.DrainAsync();
                if (relay.OutputFailed.IsCompleted)
                    throw await relay.OutputFailed;
            }

            ContainerResult result = await end;
            if (result.StreamFailure is { } streams)
                throw streams;
            if (result.TimedOut)
                Failure.Tell($"the command was killed after {plan.Spec.Timeout!.Value.TotalSeconds} s.");
            if (plan.Spec.CpuTimeMax is { } time && result.Limits.HasFlag(LimitHits.CpuTime))
                Failure.Tell($"the command was killed after {time.TotalSeconds} s of CPU time.");
            if (result.Limits.HasFlag(LimitHits.Output))
                Failure.Tell($"the command was killed after {plan.Spec.OutputMax!.Value.ToHumanString()} of output.");
            if (result.OomKilled)
            {
                ContainerUsage usage = result.Usage!;
                Failure.Tell(result.Limits.HasFlag(LimitHits.Memory)
                    ? $"out of memory: the kernel killed {usage.OomKills} of the container's processes by its own limit "
                        + $"of {usage.MemoryMax.ToHumanString()} (peak {usage.PeakMemory.ToHumanString()})."
                    : $"out of memory: the kernel killed {usage.OomKills} of the container's processes by a limit outside of it.");
            }

            if (result.Limits.HasFlag(LimitHits.Pids))
                Failure.Tell($"the limit of processes was reached: {result.Usage!.RefusedForks} forks were refused.");
            // Programs that do well without a call try it all the same: what was refused matters where the command failed.
            bool tells = result.Status.ShellCode != 0 || options.Security.AsksForReport;
            foreach (SeccompDenial denial in tells ? result.Denials : [])
                Failure.Tell($"the seccomp filter refused {denial}. {denial.Verdict.Reason}");
            if (result.KilledBySeccomp && result.Denials.IsEmpty)
                Failure.Tell(
                    "the command was killed by its seccomp filter (SIGSYS); --security-opt seccomp-report=on tells for which call.");
            return result.Status.ShellCode;
        }
    }
}
