using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation run</c>.</summary>
internal static class RunCommand
{
    internal static async Task<int> RunAsync(string[] arguments)
    {
        RunOptions options = RunFlags.Parse(arguments);
        try
        {
            LaunchPlan plan = options.ToBuilder(HostFacts.Current).Plan();
            if (options.Plan)
            {
                await Console.Out.WriteAsync(plan.ToDetailedString());
                return 0;
            }

            return await RunAsync(plan, options);
        }
        catch (LaunchException e)
        {
            await TellAsync(e.Message);
            return !e.IsExecution ? Program.Failed : e.Errno is Errno.ENOENT or Errno.ENOTDIR ? Program.NotFound : Program.NotExecutable;
        }
        catch (Exception e) when (e is SpecException or KernelFeatureException or LinuxException)
        {
            await TellAsync(e.Message);
            return Program.Failed;
        }
    }

    private static async Task<int> RunAsync(LaunchPlan plan, RunOptions options)
    {
        // Before the start, so that no signal can end this process while the container is on its way.
        using var signals = new SignalForwarding();
        ContainerProcess process = plan.Start();
        await using (process)
        {
            signals.SendTo(process);
            if (options.Times)
                await Console.Error.WriteLineAsync(string.Join('\n', process.StepTimes));
            using TerminalRelay? relay = process.Terminal is { } terminal ? new TerminalRelay(terminal) : null;
            ContainerResult result = await process.WaitAsync();
            if (relay is not null)
                await relay.DrainAsync();
            if (result.TimedOut)
                await TellAsync($"the command was killed after {plan.Spec.Timeout!.Value.TotalSeconds} s.");
            if (result.OomKilled)
            {
                ContainerUsage usage = result.Usage!;
                await TellAsync(result.Limits.HasFlag(ContainerLimits.Memory)
                    ? $"out of memory: the kernel killed {usage.OomKills} of the container's processes by its own limit of {usage.MemoryMax.ToHumanString()} (peak {new ByteSize(usage.PeakMemory).ToHumanString()})."
                    : $"out of memory: the kernel killed {usage.OomKills} of the container's processes by a limit outside of it.");
            }

            if (result.Limits.HasFlag(ContainerLimits.Pids))
                await TellAsync($"the limit of processes was reached: {result.Usage!.RefusedForks} forks were refused.");
            foreach (SeccompDenial denial in result.Denials)
                await TellAsync($"the seccomp filter refused {denial}. {denial.Verdict.Reason}");
            if (result.KilledBySeccomp && result.Denials.IsEmpty)
                await TellAsync("the command was killed by its seccomp filter (SIGSYS); --security-opt seccomp-report=on tells for which call.");
            return result.Status.ShellCode;
        }
    }

    private static Task TellAsync(string message) => Console.Error.WriteLineAsync("isolation: " + message);
}
