using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Creating, moving, freezing, killing, removing; what the kernel refuses and how it is told.</summary>
public class LifetimeTests
{
    [Fact]
    public void A_group_is_created_opened_listed_and_deleted()
    {
        using var test = new TestCgroup("tree");
        string path = test.Path;
        using (Cgroup child = Cgroup.Create(path + "/a/b"))
            Assert.EndsWith("/a/b", child.Path);
        Assert.Equal(["a"], test.Group.ReadChildNames());
        using (Cgroup again = Cgroup.Open(path + "/a"))
            again.Delete();
        Assert.Empty(test.Group.ReadChildNames());
        LinuxException e = Assert.Throws<LinuxException>(() => Cgroup.Open(path + "/a"));
        Assert.Equal(Errno.ENOENT, e.Errno);
    }

    // Two that were started from different groups may have one name: names are a group's own.
    [Fact]
    public void A_name_that_two_containers_have_is_refused_with_both_places()
    {
        Host.NeedsRoot();
        Assert.SkipWhen(CgroupHierarchies.Read().V2 is null, "needs a host with version 2 mounted, which is searched");
        string root = CgroupHierarchies.Read().V2!.MountPoint, name = $"twin-{Environment.ProcessId}";
        string[] places = [$"/twins-a-{Environment.ProcessId}", $"/twins-b-{Environment.ProcessId}"];
        try
        {
            foreach (string place in places)
                Directory.CreateDirectory($"{root}{place}/isolation-{name}");
            LinuxException e = Assert.Throws<LinuxException>(() => Isolation.Containers.RunningContainers.Open(name));
            Assert.Equal(Errno.ENOTUNIQ, e.Errno);
            Assert.All(places, place => Assert.Contains(place, e.Message));
        }
        finally
        {
            foreach (string place in places.SelectMany(p => new[] { $"{root}{p}/isolation-{name}", root + p }).Where(Directory.Exists))
                Directory.Delete(place);
        }
    }

    [Theory]
    [InlineData("a/../b")]
    [InlineData("a//b")]
    [InlineData(".")]
    [InlineData("a\nb")]
    public void Paths_that_lead_elsewhere_are_refused(string path) => Assert.Throws<ArgumentException>(() => Cgroup.Create(path));

    [Fact]
    public void Processes_are_moved_and_listed()
    {
        using var test = new TestCgroup("move");
        Process process = test.Start("sleep 1000");
        Assert.Contains(process.Id, test.Group.ReadProcesses());
        LinuxException e = Assert.Throws<LinuxException>(() => test.Group.AddProcess(int.MaxValue));
        Assert.Equal(Errno.ESRCH, e.Errno);
        Assert.Contains("There is no such process.", e.Message);
        Assert.Equal(Errno.EBUSY, Assert.Throws<LinuxException>(() => test.Group.Delete()).Errno);
    }

    [Fact]
    public void Freeze_stops_and_thaw_goes_on()
    {
        using var test = new TestCgroup("freeze");
        test.Start("while :; do :; done");
        test.Group.Freeze();
        Assert.True(test.Group.IsFrozen);
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.Cpu);
        TimeSpan before = stats.Cpu!.Usage;
        Thread.Sleep(200);
        stats.Refresh();
        Assert.InRange((stats.Cpu.Usage - before).TotalMilliseconds, 0, 5);
        test.Group.Thaw();
        Assert.False(test.Group.IsFrozen);
        for (int i = 0; i < 100 && (stats.Cpu.Usage - before).TotalMilliseconds <= 20; i++)
        {
            Thread.Sleep(100);
            stats.Refresh();
        }

        Assert.True((stats.Cpu.Usage - before).TotalMilliseconds > 20);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Kill_reaches_processes_forked_meanwhile(bool oneByOne)
    {
        using var test = new TestCgroup("kill");
        // A chain of forks that never stands still: each process starts the next and ends.
        for (int i = 0; i < 4; i++)
            test.Start("f() { f & }; f; wait");
        test.Start("sleep 1000 & sleep 1000 & wait");
        await Task.Delay(100);
        if (oneByOne)
            test.Group.KillOneByOne();
        else
            test.Group.Kill();
        await test.Group.WaitUntilEmptyAsync().WaitAsync(TimeSpan.FromSeconds(60));
        Assert.Empty(test.Group.ReadProcesses(recursive: true));
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public async Task What_is_frozen_is_killed_at_any_depth(bool oneByOne, bool below)
    {
        using var test = new TestCgroup("frozen");
        string path = test.Path + "/below/bottom";
        using Cgroup bottom = Cgroup.Create(path);
        Process member = test.Start("sleep 1000");
        Process deep = test.Start("sleep 1000");
        bottom.AddProcess(deep.Id);
        (below ? bottom : test.Group).Freeze();
        if (oneByOne)
            test.Group.KillOneByOne();
        else
            test.Group.Kill();
        await test.Group.WaitUntilEmptyAsync().WaitAsync(TimeSpan.FromSeconds(10));
        Assert.True(member.WaitForExit(1000) && deep.WaitForExit(1000));
    }

    [Fact]
    public async Task Waiting_for_an_empty_group_ends_when_the_last_process_does()
    {
        using var test = new TestCgroup("empty");
        Process process = test.Start("read go");
        Task empty = test.Group.WaitUntilEmptyAsync();
        await Task.Delay(50);
        Assert.False(empty.IsCompleted);
        process.StandardInput.WriteLine();
        await empty.WaitAsync(TimeSpan.FromSeconds(60));
        using var cancel = new CancellationTokenSource();
        test.Start("sleep 1000");
        Task cancelled = test.Group.WaitUntilEmptyAsync(cancel.Token);
        await cancel.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => cancelled);
    }

    [Fact]
    public void A_group_with_processes_may_not_enable_controllers()
    {
        TestCgroup.NeedsV2();
        using var test = new TestCgroup("internal");
        test.Start("sleep 1000");
        var group = (CgroupV2)test.Group;
        LinuxException e = Assert.Throws<LinuxException>(() => group.EnableControllers("memory"));
        Assert.Equal($"Cannot set cgroup.subtree_control of cgroup \"{group.Path}\" to \"+memory\": write(2) failed with EBUSY (device or "
            + "resource busy). The cgroup holds processes itself; move them into a child first.", e.Message);
        using CgroupV2 child = group.CreateChild("leaf");
        foreach (int id in group.ReadProcesses())
            child.AddProcess(id);
        group.EnableControllers("memory");
        Assert.Contains("memory", group.ReadSubtreeControl());
        Assert.Contains("it has controllers enabled",
            Assert.Throws<LinuxException>(() => group.AddProcess(child.ReadProcesses()[0])).Message, StringComparison.OrdinalIgnoreCase);
    }

    [Fact]
    public void Threads_are_placed_in_a_threaded_group()
    {
        TestCgroup.NeedsV2();
        using var test = new TestCgroup("threads");
        var group = (CgroupV2)test.Group;
        using CgroupV2 child = group.CreateChild("threads");
        child.MakeThreaded();
        Assert.Equal((CgroupType.DomainThreaded, CgroupType.Threaded), (group.ReadType(), child.ReadType()));
        Process process = test.Start("exec sleep 1000"); // a shell's child would be there too
        child.AddThread(process.Id);
        Assert.Equal([process.Id], child.ReadThreads());
        process.Kill();
    }

    [Fact]
    public void A_process_leads_to_its_group_and_memory_can_be_reclaimed()
    {
        TestCgroup.NeedsV2();
        using var test = new TestCgroup("reclaim");
        var group = (CgroupV2)test.Group;
        Assert.False(group.IsPopulated);
        Process process = test.Start("exec sleep 1000");
        using (CgroupV2 found = CgroupV2.OpenOf(process.Id))
            Assert.Equal(group.Path, found.Path);
        Assert.True(group.IsPopulated);
        Assert.Equal(Errno.ESRCH, Assert.Throws<LinuxException>(() => CgroupV2.OpenOf(4_000_000)).Errno);
        group.WithMemoryMax(ByteSize.FromMebibytes(100));
        LinuxException e = Assert.Throws<LinuxException>(() => group.ReclaimMemory(ByteSize.FromGibibytes(1))); // more than there is
        Assert.Equal(Errno.EAGAIN, e.Errno);
    }

    [Fact]
    public void A_delegated_group_is_its_users()
    {
        TestCgroup.NeedsV2();
        using var test = new TestCgroup("delegate");
        var group = (CgroupV2)test.Group;
        group.WithMemoryMax(ByteSize.FromMebibytes(100)).WithPidsMax(100);
        group.Delegate(65534, 65534);
        string directory = "/sys/fs/cgroup" + group.Path;
        foreach (string file in new[] { "", "/cgroup.procs", "/cgroup.subtree_control", "/cgroup.threads" })
            Assert.Equal("65534\n", Host.Run("stat", "-c", "%u", directory + file).Output);
        Assert.Equal("0\n", Host.Run("stat", "-c", "%u", directory + "/memory.max").Output);
        string script = $"echo +memory > {directory}/cgroup.subtree_control && mkdir {directory}/own && echo 1000000 "
            + $"> {directory}/own/memory.max && cat {directory}/own/memory.max && ! sh -c 'echo max > {directory}/memory.max' 2>/dev/null";
        (int code, string output) = Host.Run("setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "sh", "-c", script);
        Assert.True(code == 0, output);
        Assert.Contains("999424", output);
    }

    [Fact]
    public void An_ordinary_user_is_told_what_is_not_delegated()
    {
        Host.NeedsOrdinaryUser();
        LinuxException e = Assert.Throws<LinuxException>(() => Cgroup.Create("/isolation-not-mine"));
        Assert.Contains("not delegated to this user", e.Message);
    }

    [Fact]
    public void What_version_1_cannot_do_is_refused_by_name()
    {
        TestCgroup.NeedsV1();
        using var test = new TestCgroup("refused");
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => test.Group.WithMemoryHigh(ByteSize.FromMebibytes(1)));
        Assert.Contains("memory.high on control groups of version 1", e.Message);
        Assert.Contains("io.latency",
            Assert.Throws<KernelFeatureException>(() =>
                test.Group.WithIoLatency(new DeviceNumber(8, 0), TimeSpan.FromMilliseconds(5))).Message);
        if (CgroupHierarchies.Read().Mode == CgroupMode.Hybrid)
            Assert.Contains("in use on version 1",
                Assert.Throws<KernelFeatureException>(() => CgroupV2.Create(test.Name).WithMemoryMax(new(1))).Message);
    }

    [Fact]
    public void A_value_that_the_kernel_refuses_is_told_with_the_file_and_the_group()
    {
        using var test = new TestCgroup("value");
        LinuxException e = Assert.Throws<LinuxException>(() => test.Group.With(new CgroupSetting("pids.max", "many")));
        Assert.Equal($"Cannot set pids.max of cgroup \"{PathIn(test, "pids")}\" to \"many\": "
            + "write(2) failed with EINVAL (invalid argument). The kernel does not take this value.", e.Message);
    }

    private static string PathIn(TestCgroup test, string controller) => test.Group is CgroupV1 v1
        ? v1.TryDirectory(controller)!.Path
        : test.Group.Path;
}
