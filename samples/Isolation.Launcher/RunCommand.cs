using System.Runtime.InteropServices;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Launcher;

/// <summary><c>isolation run</c>.</summary>
internal static class RunCommand
{
    private static readonly (PosixSignal Signal, int Number)[] s_forwarded =
    [
        (PosixSignal.SIGHUP, 1), (PosixSignal.SIGINT, 2), (PosixSignal.SIGQUIT, 3), (PosixSignal.SIGTERM, 15), (PosixSignal.SIGCONT, 18), ((PosixSignal)10, 10), ((PosixSignal)12, 12),
    ];

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
        ContainerProcess process = await plan.StartAsync();
        await using (process)
        {
            if (options.Times)
                await Console.Error.WriteLineAsync(string.Join('\n', process.StepTimes));
            using TerminalRelay? relay = process.Terminal is { } terminal ? new TerminalRelay(terminal) : null;
            PosixSignalRegistration[] forwarding = [.. s_forwarded.Select(s => PosixSignalRegistration.Create(s.Signal, context =>
            {
                context.Cancel = true;
                process.Kill(s.Number);
            }))];
            ContainerResult result = await process.WaitAsync();
            if (relay is not null)
                await relay.DrainAsync();
            foreach (PosixSignalRegistration registration in forwarding)
                registration.Dispose();
            if (result.TimedOut)
                await TellAsync($"the command was killed after {plan.Spec.Timeout!.Value.TotalSeconds} s.");
            return result.Status.ShellCode;
        }
    }

    private static Task TellAsync(string message) => Console.Error.WriteLineAsync("isolation: " + message);
}
