using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Each limit, and the kernel driven into it. The same tests run on version 1, hybrid and version 2.</summary>
public class LimitTests
{
    // Fills a shell variable, which takes memory that cannot be reclaimed.
    private const string Allocate = "x=$(head -c 200000000 /dev/zero | tr '\\0' x); echo survived";

    // Burns CPU until it is killed.
    private const string Spin = "while :; do :; done";

    [Fact]
    public void Memory_max_kills()
    {
        using var test = new TestCgroup("memory");
        test.Group.WithMemoryMax(ByteSize.FromMebibytes(32)).WithMemorySwapMax(new(0));
        (int code, string output) = test.Run(Allocate);
        using CgroupStats stats = test.Group.OpenStats();
        Assert.NotEqual(0, code);
        Assert.DoesNotContain("survived", output);
        Assert.True(stats.Memory!.OomKills >= 1, stats.Memory.Events.Get("oom_kill").ToString());
        Assert.InRange(stats.Memory.Peak, 30 << 20, 33 << 20);
        Assert.Equal(32 << 20, stats.Memory.Max);
    }

    [Fact]
    public void Memory_high_throttles_and_kills_nothing()
    {
        TestCgroup.NeedsV2();
        using var test = new TestCgroup("memory-high");
        test.Group.WithMemoryHigh(ByteSize.FromMebibytes(16)).WithMemorySwapMax(new(0));
        test.Start(Allocate);
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.All);
        for (int i = 0; i < 400 && stats.Memory!.Events.Get("high") < 5; i++)
        {
            Thread.Sleep(50);
            stats.Refresh();
        }

        Assert.True(stats.Memory!.Events.Get("high") >= 5);
        Assert.Equal(0, stats.Memory.OomKills);
        Assert.InRange(stats.Memory.Current, 15L << 20, 120L << 20);
    }

    [Fact]
    public void Cpu_max_halves_the_speed()
    {
        using var test = new TestCgroup("cpu");
        test.Group.WithCpus(0.5);
        test.Start(Spin);
        double share = MeasureCores(test.Group, TimeSpan.FromSeconds(2));
        Assert.InRange(share, 0.1, 0.55); // of a busy host it gets less
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.Cpu);
        Assert.True(stats.Cpu!.ThrottledPeriods > 0);
        Assert.True(stats.Cpu.ThrottledTime > TimeSpan.Zero);
    }

    [Fact]
    public void Three_quarters_of_a_core_are_never_exceeded()
    {
        using var test = new TestCgroup("cpus");
        test.Group.WithCpus(0.75);
        test.Start(Spin);
        test.Start(Spin);
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.Cpu);
        // So many seconds can touch one period more than they last, with that much more quota;
        // and each processor may hold a slice of 5 ms beyond it.
        foreach (double seconds in new[] { 0.5, 1, 1, 3 })
            Assert.InRange(MeasureCores(test.Group, TimeSpan.FromSeconds(seconds)), 0.1,
                0.75 * ((seconds + 0.1) / seconds) + (0.01 / seconds) + 0.01);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Weights_share_the_cpu_in_proportion(bool shares)
    {
        using TestCgroup light = new("light"), heavy = new("heavy");
        if (shares)
        {
            light.Group.WithCpuShares(512);
            heavy.Group.WithCpuShares(1024);
        }
        else
        {
            light.Group.WithCpuWeight(200);
            heavy.Group.WithCpuWeight(400);
        }

        // On one processor, so that there is something to share.
        light.Start("exec taskset -c 0 sh -c '" + Spin + "'");
        heavy.Start("exec taskset -c 0 sh -c '" + Spin + "'");
        Thread.Sleep(300);
        using CgroupStats one = light.Group.OpenStats(CgroupStatKinds.Cpu), two = heavy.Group.OpenStats(CgroupStatKinds.Cpu);
        TimeSpan beginOne = one.Cpu!.Usage, beginTwo = two.Cpu!.Usage;
        Thread.Sleep(3000);
        one.Refresh();
        two.Refresh();
        double first = (one.Cpu.Usage - beginOne).TotalSeconds, second = (two.Cpu.Usage - beginTwo).TotalSeconds;
        // Shares of 512 and 1024 are weights of 59 and 100 on version 2.
        double share = shares && TestCgroup.IsV2 ? 100 * 59.0 / 159 : 100 / 3.0;
        Assert.InRange(100 * first / (first + second), share - 5, share + 5);
    }

    [Fact]
    public void Pids_max_refuses_the_fork()
    {
        using var test = new TestCgroup("pids");
        test.Group.WithPidsMax(3);
        (_, string output) = test.Run("for i in 1 2 3 4 5; do sleep 1 & done; echo done");
        Assert.Contains("ork", output); // "Cannot fork", "fork: ..."
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.Pids);
        Assert.Equal(3, stats.Pids!.Max);
        Assert.True(stats.Pids.Refused >= 1);
    }

    [Fact]
    public void Cpuset_pins()
    {
        using var test = new TestCgroup("cpuset");
        test.Group.WithCpusetCpus(1);
        Assert.Contains("Cpus_allowed_list:\t1\n", test.Run("grep Cpus_allowed_list /proc/self/status").Output);
        test.Group.WithCpusetCpus(0);
        Assert.Contains("Cpus_allowed_list:\t0\n", test.Run("grep Cpus_allowed_list /proc/self/status").Output);
    }

    [Fact]
    public void Io_max_slows()
    {
        (string directory, DeviceNumber device) = Disk.Prepare();
        using var test = new TestCgroup("io");
        test.Group.WithIoMax(device, new IoMax { WriteBytesPerSecond = 1 << 20 });
        string file = Path.Combine(directory, test.Name);
        try
        {
            long begin = Stopwatch.GetTimestamp();
            (int code, string output) = test.Run($"dd if=/dev/zero of={file} bs=64k count=48 oflag=direct");
            Assert.True(code == 0, output);
            TimeSpan slow = Stopwatch.GetElapsedTime(begin);
            Assert.InRange(slow.TotalSeconds, 2.0, 120);
            using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.Io);
            Assert.InRange(stats.Io!.WriteBytes, 3 << 20, 4 << 20);
            Assert.True(stats.Io.WriteOperations >= 48);
            test.Group.WithIoMax(device, new IoMax { WriteBytesPerSecond = CgroupLimit.Max });
            begin = Stopwatch.GetTimestamp();
            test.Run($"dd if=/dev/zero of={file} bs=64k count=48 oflag=direct");
            Assert.InRange(Stopwatch.GetElapsedTime(begin), TimeSpan.Zero, slow);
        }
        finally
        {
            File.Delete(file);
        }
    }

    [Fact]
    public void Device_rules_refuse()
    {
        using var test = new TestCgroup("devices");
        test.Group.SetDevices(DeviceRule.Parse("c 1:3 rw"), DeviceRule.Parse("c 1:5 w"));
        string output = test.Run("echo 1 > /dev/null && echo null written; head -c 1 /dev/null; echo 1 > /dev/zero && echo zero written; "
            + "head -c 1 /dev/zero | wc -c; head -c 1 /dev/urandom | wc -c").Output;
        Assert.Contains("null written", output);
        Assert.Contains("zero written", output);
        Assert.Contains("/dev/zero", output);
        Assert.Contains("/dev/urandom", output);
        Assert.Equal(2, output.Split("Operation not permitted").Length - 1);
        test.Group.SetDevices(DeviceRule.DockerDefault.AsEnumerable());
        Assert.DoesNotContain("not permitted", test.Run("head -c 1 /dev/urandom > /dev/null").Output);
        Assert.Contains("not permitted", test.Run("head -c 1 /dev/kmsg").Output);
    }

    [Fact]
    public void Limits_of_a_running_group_change()
    {
        using var test = new TestCgroup("live");
        Process process = test.Start("read go; " + Allocate);
        test.Group.Apply(CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(64)).WithMemorySwapMax(new(0)).WithPidsMax(10));
        Assert.Equal(64 << 20, ReadMax(test.Group));
        test.Group.WithMemoryMax(ByteSize.FromMebibytes(32)).WithMemorySwapMax(new(0));
        test.Group.Apply(CgroupSettings.None.WithMemoryMax(ByteSize.FromMebibytes(256)).WithMemorySwapMax(ByteSize.FromMebibytes(16)));
        Assert.Equal(256 << 20, ReadMax(test.Group));
        test.Group.Apply(CgroupSettings.None.WithMemoryMax(ByteSize.Max).WithMemorySwapMax(ByteSize.Max).WithPidsMax(CgroupLimit.Max));
        Assert.Equal(long.MaxValue, ReadMax(test.Group));
        Assert.False(process.HasExited);
    }

    [Fact]
    public void A_limit_of_swap_stays_when_that_of_memory_changes()
    {
        using var test = new TestCgroup("swap");
        // On version 1 the file is that of both together.
        long Swap() => TestCgroup.IsV2
            ? long.Parse(test.Group.Read("memory.swap.max")!)
            : long.Parse(test.Group.Read("memory.memsw.limit_in_bytes")!) - ReadMax(test.Group);
        if (!TestCgroup.IsV2)
            Assert.Throws<KernelFeatureException>(() => test.Group.WithMemorySwapMax(new(0)));
        test.Group.Apply(CgroupSettings.None.WithMemorySwapMax(ByteSize.FromMebibytes(1)).WithMemoryMax(ByteSize.FromMebibytes(64)));
        Assert.Equal((64 << 20, 1 << 20), (ReadMax(test.Group), Swap()));
        foreach (int mebibytes in new[] { 32, 128, 16 })
        {
            test.Group.WithMemoryMax(ByteSize.FromMebibytes(mebibytes));
            Assert.Equal(((long)mebibytes << 20, 1L << 20), (ReadMax(test.Group), Swap()));
        }

        // On version 1 there is no limit of swap where memory has none: that of both together may not be below it.
        test.Group.WithMemoryMax(ByteSize.Max);
        if (!TestCgroup.IsV2)
            Assert.Equal(test.Group.Read("memory.limit_in_bytes"), test.Group.Read("memory.memsw.limit_in_bytes"));
        else
            Assert.Equal(("max", 1 << 20), (test.Group.Read("memory.max")!.Trim(), Swap()));
    }

    [Fact]
    public void A_quota_changes_with_its_period_also_where_the_parent_leaves_no_room_between_the_two()
    {
        using var test = new TestCgroup("quota");
        test.Group.WithCpus(1);
        string path = test.Path;
        using Cgroup inner = Cgroup.Create(path + "/inner");
        inner.WithCpus(0.9);
        foreach ((int quota, int period) in new[] { (3, 10), (80, 100), (900, 1000), (1, 2) })
        {
            inner.WithCpuMax(new CpuMax(TimeSpan.FromMilliseconds(quota), TimeSpan.FromMilliseconds(period)));
            Assert.Equal($"{quota}000 {period}000",
                inner.Read("cpu.max")?.Trim() ?? $"{inner.Read("cpu.cfs_quota_us")!.Trim()} {inner.Read("cpu.cfs_period_us")!.Trim()}");
        }
    }

    [Fact]
    public void A_new_peak_of_memory_can_be_begun()
    {
        using var test = new TestCgroup("peak");
        test.Group.WithMemoryMax(ByteSize.FromMebibytes(200));
        using CgroupStats stats = test.Group.OpenStats();
        test.Run("x=$(head -c 20000000 /dev/zero | tr '\\0' x)");
        stats.Refresh();
        // The shell holds 19 MiB, and while it makes room for them those before; then they are gone.
        Assert.InRange(stats.Memory!.Peak, 19 << 20, 64 << 20);
        if (TestCgroup.IsV2 && KernelVersion.Running < new KernelVersion(6, 12))
        {
            Assert.Contains("It can be reset since Linux 6.12", Assert.Throws<LinuxException>(stats.ResetMemoryPeak).Message);
            return;
        }

        stats.ResetMemoryPeak();
        stats.Refresh();
        Assert.InRange(stats.Memory.Peak, 0, 4 << 20);
        using CgroupStats cpu = test.Group.OpenStats(CgroupStatKinds.Cpu);
        Assert.Throws<InvalidOperationException>(cpu.ResetMemoryPeak);
    }

    [Fact]
    public void Hugetlb_rdma_and_misc_are_set_where_the_kernel_has_them()
    {
        using var test = new TestCgroup("counting");
        Assert.SkipUnless(Directory.Exists("/sys/kernel/mm/hugepages/hugepages-2048kB"), "needs huge pages of 2 MB");
        Assert.SkipUnless(TestCgroup.IsV2
            ? CgroupFacts.Probe().Controllers.Contains("hugetlb")
            : CgroupHierarchies.Read().V1.ContainsKey("hugetlb"), "needs the controller hugetlb");
        test.Group.WithHugetlbMax("2MB", ByteSize.FromMebibytes(4)).WithHugetlbRsvdMax("2MB", ByteSize.FromMebibytes(6));
        Assert.Equal("4194304", (test.Group.Read("hugetlb.2MB.max") ?? test.Group.Read("hugetlb.2MB.limit_in_bytes"))!.Trim());
        using CgroupStats stats = test.Group.OpenStats(CgroupStatKinds.All);
        Assert.Equal(0, stats.Hugetlb!["2MB.current"]);
        Assert.Equal(0, stats.Hugetlb["2MB.rsvd.current"]);
    }

    internal static long ReadMax(Cgroup group)
    {
        using CgroupStats stats = group.OpenStats(CgroupStatKinds.Memory);
        return stats.Memory!.Max;
    }

    private static double MeasureCores(Cgroup group, TimeSpan duration)
    {
        using CgroupStats stats = group.OpenStats(CgroupStatKinds.Cpu);
        (TimeSpan begin, long time) = (stats.Cpu!.Usage, stats.Timestamp);
        Thread.Sleep(duration);
        stats.Refresh();
        return (stats.Cpu.Usage - begin) / Stopwatch.GetElapsedTime(time, stats.Timestamp);
    }
}
