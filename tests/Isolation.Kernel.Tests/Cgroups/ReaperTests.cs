using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>What is left when the parent of containers is killed:
/// no process, no control group, whatever one of the containers has done.</summary>
public class ReaperTests
{
    private static readonly string s_victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");

    [Fact]
    public async Task A_container_with_control_groups_of_its_own_keeps_no_other_alive()
    {
        Host.NeedsRoot();
        string marker = $"94{Random.Shared.Next(10_000_000)}";
        using Process parent = Process.Start(new ProcessStartInfo("dotnet", [s_victim, "--two-containers", marker])
        {
            RedirectStandardOutput = true
        })!;
        string[] names = (await parent.StandardOutput.ReadLineAsync())!.Split(' ');
        Assert.Equal(2, names.Length);
        parent.Kill();
        await parent.WaitForExitAsync();
        await ContainerTests.WaitFor(() => Host.Run("pgrep", "-f", $"^sleep {marker}").Code == 1);
        await ContainerTests.WaitFor(() => !Leaks.Cgroups().Any(c => names.Contains(Path.GetFileName(c))));
    }

    /// <summary>The version 1 hierarchies of this host alone, the freezer's first, as they are on a host without version 2.</summary>
    [Theory]
    [InlineData("")]
    [InlineData("sub")]
    public async Task Without_cgroup_kill_the_members_are_killed_one_by_one(string below)
    {
        Host.NeedsRoot();
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        Assert.SkipUnless(hierarchies.V1.ContainsKey("freezer") && hierarchies.V1.ContainsKey("pids"),
            "needs the freezer and pids controllers on version 1");
        string[] parents = [.. new[] { "freezer", "pids" }.Select(c => hierarchies.V1[c])
            .Select(m => m.MountPoint + (m.Self == "/" ? "" : m.Self))];
        string name = $"isolation-reaped-{Environment.ProcessId}-{below}", spared = $"isolation-spared-{Environment.ProcessId}-{below}";
        string script = $"""
            for p in {string.Join(' ', parents)}; do
              mkdir -p $p/{name}/{below} $p/{name}/empty $p/{spared}
            done
            for i in $(seq 20); do
              sleep 1000 & echo $! >> pids
              for p in {string.Join(' ', parents)}; do echo $! > $p/{name}/{below}/cgroup.procs; done
            done
            sleep 1000 & echo $! > {parents[0]}/{spared}/cgroup.procs; echo $! > spared
            setsid sh -c 'while :; do sleep 0.01 & wait; done' & echo $! > {parents[0]}/{name}/{below}/cgroup.procs; echo $! >> pids
            """;
        using var directory = new TemporaryDirectory();
        await File.WriteAllTextAsync(Path.Combine(directory.Path, "script"), script, TestContext.Current.CancellationToken);
        Assert.Equal(0,
            Process.Start(new ProcessStartInfo("sh", ["script"]) { WorkingDirectory = directory.Path })!.WaitForExit(10_000) ? 0 : 1);
        PidHandle[] members = [.. File.ReadLines(Path.Combine(directory.Path, "pids")).Select(p => PidHandle.Open(int.Parse(p)))];
        using PidHandle stranger = PidHandle.Open(int.Parse(File.ReadAllText(Path.Combine(directory.Path, "spared"))));
        Assert.Equal((0, ""), Host.Run("dotnet", [s_victim, "--register", name, spared, .. parents]));
        await ContainerTests.WaitFor(() => members.All(m => m.HasExited));
        await ContainerTests.WaitFor(() => parents.All(p => !Directory.Exists($"{p}/{name}")));
        Assert.False(stranger.HasExited); // a name that was only about to be taken
        stranger.SendSignal(Signal.SIGKILL);
        await ContainerTests.WaitFor(() => stranger.HasExited);
        Directory.Delete($"{parents[0]}/{spared}"); // the other was empty, and so removed
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(6)]
    public async Task A_name_is_free_again_when_its_parent_is_killed_while_it_makes_the_control_group(int made)
    {
        Host.NeedsRoot();
        Host.NeedsTool("strace");
        string name = $"half-{Environment.ProcessId}-{made}";
        (int code, string said) = Host.Run("strace", "-f", "-o", "/dev/null", "-e", "trace=mkdirat", "-e",
            $"inject=mkdirat:signal=KILL:when={made}", "dotnet", s_victim, "--named", name);
        Assert.SkipWhen(code == 0, "needs more hierarchies of control groups");
        await ContainerTests.WaitFor(() => !Leaks.Cgroups().Any(c => c.EndsWith("isolation-" + name, StringComparison.Ordinal)));
        Assert.Equal(0, (await Box.Builder("/bin/true").WithName(name).RunAsync(TestContext.Current.CancellationToken)).Status.Code);
        Assert.DoesNotContain("EEXIST", said);
    }
}
