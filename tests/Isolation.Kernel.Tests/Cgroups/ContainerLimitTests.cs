using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Containers in control groups of their own: limits are in force first, and results say which fired.</summary>
public class ContainerLimitTests
{
    private const string Allocate = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived";

    [Fact]
    public async Task A_memory_limit_that_fires_is_in_the_result()
    {
        NeedsOwnCgroup();
        (ContainerResult result, string output) = await Box.Shell(Allocate).WithMemoryMax(ByteSize.FromMebibytes(64))
            .WithMemorySwapMax(new(0)).RunAndReadAsync();
        Assert.DoesNotContain("survived", output);
        Assert.True(result.OomKilled);
        Assert.Equal(LimitHits.Memory, result.Limits);
        Assert.InRange(result.Usage!.PeakMemory.Bytes, 60 << 20, 65 << 20);
        Assert.Contains("out of memory by its own limit of 64.0 MiB (peak 6", result.ToString());
    }

    [Fact]
    public async Task Limits_of_processes_and_time_are_in_the_result()
    {
        NeedsOwnCgroup();
        (ContainerResult result, _) = await Box.Shell("for i in 1 2 3 4 5 6; do sleep 1 & done; wait").WithPidsMax(4).RunAndReadAsync();
        Assert.Equal(LimitHits.Pids, result.Limits);
        (result, _) = await Box.Shell("while :; do :; done").WithCpus(0.2).WithTimeout(TimeSpan.FromSeconds(1)).RunAndReadAsync();
        Assert.Equal(LimitHits.Time, result.Limits);
        Assert.InRange(result.Usage!.CpuTime.TotalSeconds, 0.05, (result.Duration.TotalSeconds * 0.2) + 0.15);
        Assert.True(result.Usage.ThrottledTime > TimeSpan.Zero);
        (result, _) = await Box.Builder("/bin/true").RunAndReadAsync();
        Assert.Equal((LimitHits.None, false), (result.Limits, result.OomKilled));
        // An execve and an exit take some time, and not much of it.
        Assert.InRange(result.Usage!.CpuTime.TotalMilliseconds, 0.1, Host.IsEmulated ? 2000 : 200);
    }

    [Fact]
    public async Task A_container_is_born_in_its_control_group_with_the_limits_in_force()
    {
        NeedsOwnCgroup();
        await using Container process = await Box.Builder("/bin/sleep", "1000").WithMemoryMax(ByteSize.FromMebibytes(100))
            .WithName("born").StartAsync();
        Assert.Contains(process.ProcessId, process.Cgroup!.ReadProcesses());
        Assert.Equal(100 << 20, LimitTests.ReadMax(process.Cgroup));
        Assert.Contains("born", RunningContainers.ReadNames());
        if (Host.IsRoot)
        {
            using var left = new TestCgroup("left");
            Assert.DoesNotContain(left.Name["isolation-".Length..], RunningContainers.ReadNames());
        }

        using (Cgroup found = RunningContainers.Open("born"))
            Assert.Equal(process.Cgroup.Path, found.Path);
        Assert.Equal(4096, ReadPidsMax(process.Cgroup)); // the default
        process.Cgroup.WithMemoryMax(ByteSize.FromMebibytes(50));
        Assert.Equal(50 << 20, LimitTests.ReadMax(process.Cgroup));
        LaunchException taken = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/true").WithName("born").StartAsync());
        Assert.Contains("A container of that name is running", taken.Message);
        Assert.False(process.Process.HasExited);
        LinuxException e = Assert.Throws<LinuxException>(() => RunningContainers.Open("unborn"));
        Assert.Contains("Running are: ", e.Message);
    }

    [Fact]
    public async Task Its_own_control_group_is_all_that_a_container_sees()
    {
        NeedsOwnCgroup();
        string output = await Box.Shell("cat /proc/self/cgroup; grep -c . /sys/fs/cgroup/cgroup.procs; cat /sys/fs/cgroup/cgroup.events")
            .OutputAsync();
        Assert.All(output.Split('\n').Where(l => l.Contains("::") || l.Contains(":memory:")), l => Assert.EndsWith(":/", l));
        Assert.Contains("populated 1", output);
    }

    [Fact]
    public async Task A_delegated_control_group_can_be_divided()
    {
        NeedsOwnCgroup();
        const string Divide = "mkdir /sys/fs/cgroup/mine && echo 0 > /sys/fs/cgroup/mine/cgroup.procs && cat /proc/self/cgroup | tail -1; "
            + "echo max > /sys/fs/cgroup/memory.max 2>/dev/null && echo lifted; true";
        ContainerBuilder delegated = Box.Shell(Divide).WithDelegatedCgroup()
            .WithMounts(ContainerDefaults.Mounts.Select(m => m is Namespaces.Cgroup2Mount
                ? new Namespaces.Cgroup2Mount(Flags: Namespaces.MountFlags.NoSuid | Namespaces.MountFlags.NoDev
                    | Namespaces.MountFlags.NoExec)
                : m));
        if (Host.IsRoot)
            delegated = delegated.WithUserNamespace(new Namespaces.IdMap(new Namespaces.IdMapRange(0, 500_000, 65_536)),
                new Namespaces.IdMap(new Namespaces.IdMapRange(0, 500_000, 65_536)));
        string output = await delegated.OutputAsync();
        Assert.Contains("0::/mine", output);
        Assert.DoesNotContain("lifted", output);
    }

    [Fact]
    public async Task Devices_are_those_of_dockers_list_and_those_mounted()
    {
        Host.NeedsRoot();
        ContainerBuilder builder = Box.Shell("head -c 1 /dev/urandom | wc -c; mknod /tmp/kmsg c 1 11 && head -c 1 /tmp/kmsg; "
            + "test -e /dev/given && head -c 1 /dev/given | wc -c; true").AddMount(new Namespaces.TmpfsMount("/tmp") { Flags = 0 });
        (_, string output) = await builder.RunAndReadAsync();
        Assert.StartsWith("1\n", output);
        Assert.Contains("Operation not permitted", output);
        (_, output) = await builder.AddMount(new Namespaces.DeviceMount("/dev/zero", "/dev/given")).RunAndReadAsync();
        Assert.Equal(2, output.Split("1\n").Length - 1);
        (_, output) = await builder.WithDeviceRules(DeviceRule.Parse("c 1:3 rwm")).RunAndReadAsync();
        Assert.DoesNotContain("1\n", output);
    }

    [Fact]
    public async Task A_thousand_cycles_leave_no_control_group_behind()
    {
        NeedsOwnCgroup();
        LaunchPlan plan = Box.Builder("/bin/true").WithMemoryMax(ByteSize.FromMebibytes(64)).WithStandardOutput(Stdio.Null).Plan();
        plan.Start().Wait(); // what a plan keeps, its device program, is loaded at the first start
        var leaks = new Leaks();
        int cycles = Host.IsEmulated ? 100 : 1000;
        int next = 0;
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) <= cycles)
            {
                await using Container process = await plan.StartAsync();
                ContainerResult result = await process.WaitAsync();
                Assert.True(result.Status.Code == 0, result.ToString());
            }
        })));
        leaks.AssertNone();
    }

    [Fact]
    public async Task What_has_left_the_pid_namespace_is_killed_with_the_control_group()
    {
        NeedsOwnCgroup();
        Host.NeedsRoot();
        string marker = $"95{Random.Shared.Next(10_000_000)}";
        HashSet<string> before = [.. Leaks.Cgroups()];
        Container process = await Box.Shell($"setsid sh -c 'sleep {marker} & sleep {marker} &' ; sleep {marker}")
            .WithNamespacesSharedWithHost(Namespaces.NamespaceKinds.Pid).StartAsync();
        await ContainerTests.WaitFor(() => process.Cgroup!.ReadProcesses().Length >= 3);
        await process.DisposeAsync();
        // Who was killed ends a moment later; what was theirs is gone all the same.
        Assert.Equal(before, [.. Leaks.Cgroups()]);
        Assert.Equal(1, Host.Run("pgrep", "-f", $"^sleep {marker}").Code);
    }

    [Fact]
    public void A_host_without_delegation_refuses_limits_with_the_remedy_and_runs_without_them()
    {
        Host.NeedsOrdinaryUser();
        Assert.SkipUnless(HostFacts.Current.Cgroups.Obstacle is not null, "needs a user to whom no control group is delegated");
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => Box.Builder("/bin/true")
            .WithMemoryMax(ByteSize.FromMebibytes(64)).Plan());
        Assert.Contains("a control group of the container's own", e.Message);
        Assert.NotNull(e.Remedy);
        Assert.Null(Box.Builder("/bin/true").Start() is var process ? process.Wait().Usage : null);
    }

    internal static void NeedsOwnCgroup() =>
        Assert.SkipUnless(HostFacts.Current.Cgroups.Obstacle is null, "needs root, or a delegated control group");

    private static long ReadPidsMax(Cgroup group)
    {
        using CgroupStats stats = group.OpenStats(CgroupStatKinds.Pids);
        return stats.Pids!.Max;
    }
}
