using System.Diagnostics;
using Isolation.Cgroups;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>A control group for one test, and shell scripts run in it. Everything in it is killed and it is removed at the end.</summary>
internal sealed class TestCgroup : IDisposable
{
    private static int s_next;
    private readonly List<Process> _processes = [];

    internal TestCgroup(string purpose = "test")
    {
        Host.NeedsRoot();
        Name = $"isolation-{purpose}-{Environment.ProcessId}-{Interlocked.Increment(ref s_next)}";
        // Beside this process's own on version 2, where only a group without processes has controllers below; below it on version 1.
        Path = IsV2 ? $"{RunGroup.UnifiedPath}/{Name}" : Name;
        Group = Cgroup.Create(Path);
    }

    internal string Name { get; }

    /// <summary>Its path, as <see cref="Cgroup.Open"/> takes it.</summary>
    internal string Path { get; }

    internal Cgroup Group { get; }

    internal static bool IsV2 => CgroupHierarchies.Read().Mode == CgroupMode.Unified;

    internal static void NeedsV2() => Assert.SkipUnless(IsV2, "needs a host whose controllers are on version 2: the test machine");

    internal static void NeedsV1() => Assert.SkipWhen(IsV2, "needs a host whose controllers are on version 1");

    /// <summary>Starts a script that waits until it is in the control group, and then runs there.</summary>
    internal Process Start(string script)
    {
        var start = new ProcessStartInfo("/bin/sh", ["-c", "read go; " + script])
        { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        Process process = Process.Start(start)!;
        _processes.Add(process);
        Group.AddProcess(process.Id);
        process.StandardInput.WriteLine();
        process.StandardInput.Flush();
        return process;
    }

    /// <summary>Runs a script in the control group to its end.</summary>
    internal (int Code, string Output) Run(string script)
    {
        Process process = Start(script);
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output + errors.Result);
    }

    public void Dispose()
    {
        Group.KillAndDeleteAsync().WaitAsync(TimeSpan.FromSeconds(30)).GetAwaiter().GetResult();
        Group.Dispose();
        foreach (Process process in _processes)
            process.Dispose();
    }
}
