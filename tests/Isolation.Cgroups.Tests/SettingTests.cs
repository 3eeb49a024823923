using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Cgroups.Tests;

/// <summary>Settings as data: what each typed member writes, and what becomes of it on version 1 and 2.</summary>
public class SettingTests
{
    private static readonly DeviceNumber s_disk = new(8, 16);

    [Fact]
    public void Every_typed_member_writes_its_file() => Assert.Equal("""
        memory.min = 1048576
        memory.low = 2097152
        memory.high = 3145728
        memory.max = max
        memory.swap.high = 1024
        memory.swap.max = 0
        memory.zswap.max = 5
        memory.zswap.writeback = 0
        memory.oom.group = 1
        cpu.max = 75000 100000
        cpu.max.burst = 20000
        cpu.weight = 200
        cpu.weight.nice = -5
        cpu.idle = 1
        cpu.uclamp.min = 12.50
        cpu.uclamp.max = 80.00
        cpuset.cpus = 0-2,5
        cpuset.mems = 0
        cpuset.cpus.exclusive = 2
        cpuset.cpus.partition = isolated
        io.max = 8:16 rbps=1048576 wiops=max
        io.weight = default 300
        io.weight = 8:16 50
        io.latency = 8:16 target=5000
        io.cost.qos = 8:16 enable=1
        io.cost.model = 8:16 ctrl=user
        io.prio.class = restrict-to-be
        pids.max = 100
        hugetlb.2MB.max = 4194304
        hugetlb.2MB.rsvd.max = max
        rdma.max = mlx4_0 hca_handle=2 hca_object=max
        misc.max = sev 3
        dmem.max = drm/card0/vram0 1024
        dmem.min = drm/card0/vram0 1
        dmem.low = drm/card0/vram0 2
        cgroup.max.depth = 3
        cgroup.max.descendants = max
        cgroup.pressure = 0
        """, CgroupSettings.None
        .WithMemoryMin(ByteSize.FromMebibytes(1)).WithMemoryLow(ByteSize.FromMebibytes(2)).WithMemoryHigh(ByteSize.FromMebibytes(3))
        .WithMemoryMax(ByteSize.Max)
        .WithMemorySwapHigh(ByteSize.FromKibibytes(1)).WithMemorySwapMax(new(0)).WithMemoryZswapMax(new(5)).WithMemoryZswapWriteback(false)
        .WithMemoryOomGroup(true)
        .WithCpus(0.75).WithCpuMaxBurst(TimeSpan.FromMilliseconds(20)).WithCpuWeight(200).WithCpuWeightNice(-5).WithCpuIdle(true)
        .WithCpuUclampMin(12.5).WithCpuUclampMax(80)
        .WithCpusetCpus(5, 0, 1, 2).WithCpusetMems(0).WithCpusetCpusExclusive(2).WithCpusetPartition(CpusetPartition.Isolated)
        .WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 1 << 20, WriteOperationsPerSecond = CgroupLimit.Max }).WithIoWeight(300)
        .WithIoWeight(s_disk, 50)
        .WithIoLatency(s_disk, TimeSpan.FromMilliseconds(5)).WithIoCostQos(s_disk, "enable=1").WithIoCostModel(s_disk, "ctrl=user")
        .WithIoPriorityClass(IoPriorityPolicy.RestrictToBe)
        .WithPidsMax(100).WithHugetlbMax("2MB", ByteSize.FromMebibytes(4)).WithHugetlbRsvdMax("2MB", ByteSize.Max)
        .WithRdmaMax("mlx4_0", 2, CgroupLimit.Max).WithMiscMax("sev", 3)
        .WithDmemMax("drm/card0/vram0", new(1024)).WithDmemMin("drm/card0/vram0", new(1)).WithDmemLow("drm/card0/vram0", new(2))
        .WithCgroupMaxDepth(3).WithCgroupMaxDescendants(CgroupLimit.Max).WithCgroupPressure(false).ToString());

    [Fact]
    public void A_later_setting_replaces_an_earlier_one_of_the_same_file_and_device()
    {
        CgroupSettings settings = CgroupSettings.None.WithPidsMax(1).WithIoWeight(s_disk, 10).WithIoWeight(new DeviceNumber(9, 9), 20)
            .WithPidsMax(2).WithIoWeight(s_disk, 30);
        Assert.Equal("io.weight = 9:9 20\npids.max = 2\nio.weight = 8:16 30", settings.ToString());
        Assert.Equal("2", settings["pids.max"]);
        Assert.Null(settings["memory.max"]);
    }

    [Fact]
    public void Version_1_gets_them_in_its_own_words()
    {
        CgroupSettings settings = CgroupSettings.None.WithMemoryMax(new(100)).WithMemorySwapMax(new(50)).WithMemoryLow(ByteSize.Max)
            .WithCpus(0.5)
            .WithCpuMaxBurst(TimeSpan.FromMilliseconds(1)).WithCpuWeight(100)
            .WithPidsMax(CgroupLimit.Max)
            .WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 7, WriteOperationsPerSecond = CgroupLimit.Max })
            .WithHugetlbMax("2MB", new(0)).WithHugetlbRsvdMax("1GB", ByteSize.Max)
            .WithNetClassId(0x100001).WithNetPriority("eth0", 5).WithMemorySwappiness(10)
            .WithCpuRtRuntime(TimeSpan.FromMilliseconds(9)).WithIoWeight(10000);
        Assert.Equal("""
            memory.limit_in_bytes = 100
            memory.soft_limit_in_bytes = -1
            cpu.cfs_period_us = 100000
            cpu.cfs_quota_us = 50000
            cpu.cfs_burst_us = 1000
            cpu.shares = 1024
            pids.max = max
            blkio.throttle.read_bps_device = 8:16 7
            blkio.throttle.write_iops_device = 8:16 0
            hugetlb.2MB.limit_in_bytes = 0
            hugetlb.1GB.rsvd.limit_in_bytes = -1
            net_cls.classid = 1048577
            net_prio.ifpriomap = eth0 5
            memory.swappiness = 10
            cpu.rt_runtime_us = 9000
            blkio.bfq.weight = 1000
            memory.memsw.limit_in_bytes = 150
            """, string.Join('\n', V1Translation.Translate(settings, () => ByteSize.Max, f => f == "blkio.bfq.weight")));
    }

    [Fact]
    public void Limits_that_only_an_earlier_call_names_stay_as_they_do_in_the_kernel()
    {
        // A write to io.max changes the keys that it names: the kernel's cgroup-v2 guide, "nested keyed" files.
        CgroupSettings settings = CgroupSettings.None.WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 5, WriteBytesPerSecond = 6 })
            .WithIoMax(new DeviceNumber(9, 9), new IoMax { ReadBytesPerSecond = 1 })
            .WithIoMax(s_disk, new IoMax { WriteBytesPerSecond = 7, WriteOperationsPerSecond = 8 });
        Assert.Equal("io.max = 9:9 rbps=1\nio.max = 8:16 rbps=5 wbps=7 wiops=8", settings.ToString());
        Assert.Equal("io.cost.qos = 8:16 ctrl=user enable=1",
            CgroupSettings.None.WithIoCostQos(s_disk, "enable=0 ctrl=user").WithIoCostQos(s_disk, "enable=1").ToString());
        Assert.Equal("cpu.max = 5000 20000", CgroupSettings.None.WithCpuMax(new CpuMax(null, TimeSpan.FromMilliseconds(20)))
            .With(new CgroupSetting("cpu.max", "5000")).ToString());
    }

    [Fact]
    public void A_limit_of_swap_on_version_1_needs_one_of_memory_whatever_comes_first()
    {
        // memory.memsw.limit_in_bytes is that of both together: the kernel's memory guide of version 1.
        static string Translate(CgroupSettings settings) =>
            string.Join('\n', V1Translation.Translate(settings, () => ByteSize.Max, _ => true));
        Assert.Equal("memory.limit_in_bytes = 100\nmemory.memsw.limit_in_bytes = 100",
            Translate(CgroupSettings.None.WithMemorySwapMax(new(0)).WithMemoryMax(new(100))));
        Assert.Equal("memory.limit_in_bytes = 100\nmemory.memsw.limit_in_bytes = -1",
            Translate(CgroupSettings.None.WithMemoryMax(new(100)).WithMemorySwapMax(ByteSize.Max)));
        Assert.EndsWith("memsw.limit_in_bytes = -1",
            Translate(CgroupSettings.None.WithMemoryMax(new(long.MaxValue - 1)).WithMemorySwapMax(new(100))));
        foreach (CgroupSettings alone in new[] { CgroupSettings.None.WithMemorySwapMax(new(0)),
            CgroupSettings.None.WithMemorySwapMax(new(50)).WithMemoryMax(ByteSize.Max) })
        {
            KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => Translate(alone));
            Assert.Equal("This host cannot provide memory.swap.max on control groups of version 1: there is one limit of memory and swap "
                + "together, and memory.max is not set. Set memory.max too, before or in the same list; or use a host with version 2.",
                e.Message);
        }
    }

    [Fact]
    public void A_throttle_of_0_is_refused_and_not_lifted()
    {
        // 0 is ERANGE on version 2 and removes the rule on version 1: block/blk-throttle.c.
        Assert.Throws<ArgumentOutOfRangeException>(() => CgroupSettings.None.WithIoMax(s_disk, new IoMax { WriteBytesPerSecond = 0 }));
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() =>
            V1Translation.Translate(CgroupSettings.None.With(new CgroupSetting("io.max", "8:16 rbps=0")), () => ByteSize.Max, _ => true));
        Assert.Contains("io.max of 0 for 8:16", e.Message);
    }

    [Theory]
    [InlineData("default 1", "1")]
    [InlineData("default 100", "100")]
    [InlineData("default 10000", "1000")]
    [InlineData("default 200", "109")]      // as systemd's BFQ_WEIGHT: 100 stays, above it 100 + (w - 100) * 900 / 9900
    [InlineData("8:16 10000", "8:16 1000")]
    [InlineData("50", "50")]                // the kernel takes it for the default
    public void Weights_are_scaled_for_bfq_and_not_cut_off(string weight, string expected) =>
        Assert.Equal(expected, V2Translation.BfqWeight(weight));

    [Fact]
    public void Every_setting_is_written_or_refused_by_name_on_either_version()
    {
        CgroupSettings all = CgroupSettings.None
            .WithMemoryMin(new(1)).WithMemoryLow(new(2)).WithMemoryHigh(new(3)).WithMemoryMax(new(4)).WithMemorySwapHigh(new(5))
            .WithMemorySwapMax(new(6))
            .WithMemoryZswapMax(new(7)).WithMemoryZswapWriteback(true).WithMemoryOomGroup(true).WithMemorySwappiness(8)
            .WithCpus(1).WithCpuMaxBurst(TimeSpan.FromMilliseconds(1)).WithCpuWeight(9).WithCpuShares(10).WithCpuWeightNice(1)
            .WithCpuIdle(true).WithCpuUclampMin(1).WithCpuUclampMax(2).WithCpuRtRuntime(TimeSpan.FromMilliseconds(1))
            .WithCpuRtPeriod(TimeSpan.FromSeconds(1)).WithCpusetCpus(0).WithCpusetMems(0).WithCpusetCpusExclusive(0)
            .WithCpusetPartition(CpusetPartition.Root)
            .WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 1 }).WithIoWeight(11).WithIoWeight(s_disk, 12)
            .WithIoLatency(s_disk, TimeSpan.FromMilliseconds(1)).WithIoCostQos(s_disk, "enable=1").WithIoCostModel(s_disk, "ctrl=user")
            .WithIoPriorityClass(IoPriorityPolicy.Idle).WithPidsMax(13).WithHugetlbMax("2MB", new(1)).WithHugetlbRsvdMax("2MB", new(1))
            .WithRdmaMax("a", 1, 1).WithMiscMax("a", 1).WithDmemMax("a", new(1)).WithDmemMin("a", new(1)).WithDmemLow("a", new(1))
            .WithNetClassId(1).WithNetPriority("a", 1).WithCgroupMaxDepth(1).WithCgroupMaxDescendants(1).WithCgroupPressure(true);
        foreach (CgroupSetting setting in all)
        {
            CgroupSettings settings = CgroupSettings.None.With(setting);
            foreach (Func<ImmutableArray<CgroupSetting>> translate in new Func<ImmutableArray<CgroupSetting>>[]
            {
                () => V1Translation.Translate(settings, () => ByteSize.FromMebibytes(1), _ => true),
                () => V2Translation.Translate(settings, _ => true),
            })
            {
                try
                {
                    Assert.All(translate(), s => Assert.NotEmpty(s.Value));
                    Assert.NotEmpty(translate());
                }
                catch (KernelFeatureException e)
                {
                    Assert.Contains(setting.File, e.Message);
                }
            }
        }

        // None is left out above.
        string[] members = [.. typeof(CgroupControls).Assembly.GetExportedTypes()
            .Where(t => t.Name.EndsWith("Controls", StringComparison.Ordinal) && t.IsAbstract)
            .SelectMany(t => t.GetMethods()).Where(m => m.Name.StartsWith("With", StringComparison.Ordinal)).Select(m => m.Name)];
        Assert.Equal(members.Length - 1, all.Count); // WithCpus and WithCpuMax are one file
    }

    [Fact]
    public void A_value_that_is_none_is_told_with_its_file()
    {
        foreach ((string file, string value) in new[] { ("memory.swap.max", "lots"), ("cpu.weight", "heavy"),
            ("io.weight", "default heavy"), ("io.max", "8:16 rbps=-1"), ("io.max", "8:16 speed=1") })
        {
            FormatException e = Assert.Throws<FormatException>(
                () => V1Translation.Translate(CgroupSettings.None.With(new CgroupSetting(file, value)), () => new(1), _ => true));
            Assert.StartsWith($"{file} cannot be \"{value}\": ", e.Message);
        }
    }

    [Fact]
    public void Null_and_names_of_several_words_are_refused_at_the_call()
    {
        CgroupSettings none = CgroupSettings.None;
        Assert.Throws<ArgumentNullException>("max", () => none.WithIoMax(s_disk, null!));
        Assert.Throws<ArgumentNullException>("parameters", () => none.WithIoCostQos(s_disk, null!));
        Assert.Throws<ArgumentNullException>("parameters", () => none.WithIoCostModel(s_disk, null!));
        Assert.Throws<ArgumentNullException>("pageSize", () => none.WithHugetlbMax(null!, new(1)));
        Assert.Throws<ArgumentNullException>("device", () => none.WithRdmaMax(null!, 1, 1));
        Assert.Throws<ArgumentNullException>("resource", () => none.WithMiscMax(null!, 1));
        Assert.Throws<ArgumentNullException>("region", () => none.WithDmemMax(null!, new(1)));
        Assert.Throws<ArgumentNullException>("networkInterface", () => none.WithNetPriority(null!, 1));
        Assert.Throws<ArgumentNullException>("numbers", () => none.WithCpusetCpus(null!));
        Assert.Throws<ArgumentNullException>("cgroup", () => ((CgroupSettings)null!).WithPidsMax(1));
        Assert.Throws<ArgumentNullException>("setting.File", () => none.With(new CgroupSetting(null!, "1")));
        Assert.Throws<ArgumentNullException>("setting.Value", () => none.With(new CgroupSetting("pids.max", null!)));
        Assert.Throws<ArgumentException>("resource", () => none.WithMiscMax("sev 5\nsev_es", 1));
    }

    [Theory]
    [InlineData("memory.high", "1")]
    [InlineData("memory.min", "1")]
    [InlineData("memory.oom.group", "1")]
    [InlineData("io.latency", "8:0 target=1")]
    [InlineData("cpu.uclamp.min", "1")]
    [InlineData("cpuset.cpus.partition", "root")]
    [InlineData("misc.max", "a 1")]
    public void What_version_1_cannot_do_is_refused_by_name(string file, string value)
    {
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(
            () => V1Translation.Translate(CgroupSettings.None.With(new CgroupSetting(file, value)), () => ByteSize.Max, _ => true));
        Assert.StartsWith($"This host cannot provide {file} on control groups of version 1: only version 2 has it.", e.Message);
    }

    [Theory]
    // The table of opencontainers/cgroups 0.0.5 (ConvertCPUSharesToCgroupV2Value), which runc 1.3.2 uses: least, default and greatest are
    // fitted.
    [InlineData(2, 1)]
    [InlineData(512, 59)]
    [InlineData(1024, 100)]
    [InlineData(262_144, 10_000)]
    public void Shares_become_the_weight_that_runc_and_crun_write(int shares, int weight) => Assert.Equal(weight,
        CpuControls.WeightOfShares(shares));

    [Theory]
    // The kernel's own: weight * 1024 / 100 to the nearest (kernel/sched/sched.h, sched_weight_from_cgroup).
    [InlineData(100, 1024)]
    [InlineData(50, 512)]
    [InlineData(79, 809)]
    [InlineData(1, 10)]
    [InlineData(10_000, 102_400)]
    public void A_weight_becomes_shares_in_proportion(int weight, int shares) => Assert.Equal(shares, CpuControls.SharesOfWeight(weight));

    [Theory]
    // docker reads --cpus as a decimal (opts/opts.go, ParseCPUs) and writes cpus * 100000.
    [InlineData(0.29, "29000 100000")]
    [InlineData(0.57, "57000 100000")]
    [InlineData(1.1, "110000 100000")]
    [InlineData(0.01, "1000 100000")]
    [InlineData(2.00001, "200001 100000")]
    [InlineData(64, "6400000 100000")]
    public void Cores_are_the_decimal_that_was_meant(double cores, string text) => Assert.Equal(text, CpuMax.FromCores(cores).ToString());

    [Fact]
    public void Version_2_keeps_what_a_setting_of_version_1_does_not_name()
    {
        static string Translate(string file, string value, string cpuMax = "250000 1000000", string memoryMax = "67108864") =>
            string.Join('\n',
            V2Translation.Translate(CgroupSettings.None.With(new CgroupSetting(file, value)), _ => true, f => f == "cpu.max"
                ? cpuMax + "\n" : memoryMax + "\n"));
        Assert.Equal("cpu.max = 500000 1000000", Translate("cpu.cfs_quota_us", "500000"));
        Assert.Equal("cpu.max = 250000 500000", Translate("cpu.cfs_period_us", "500000"));
        Assert.Equal("cpu.max = max 1000000", Translate("cpu.cfs_quota_us", "-1"));
        Assert.Equal("cpu.max = max 50000", Translate("cpu.cfs_period_us", "50000", cpuMax: "max 100000"));
        Assert.Equal("memory.swap.max = 32891136", Translate("memory.memsw.limit_in_bytes", "100000000"));
        Assert.Equal("memory.swap.max = max", Translate("memory.memsw.limit_in_bytes", "-1"));
        Assert.Throws<FormatException>(() => Translate("memory.memsw.limit_in_bytes", "1000"));
        Assert.Throws<FormatException>(() => Translate("memory.memsw.limit_in_bytes", "100000000", memoryMax: "max"));
        // A new control group has the kernel's initial values.
        Assert.Equal("cpu.max = 20000 50000", string.Join('\n', V2Translation.Translate(CgroupSettings.None
            .With(new CgroupSetting("cpu.cfs_quota_us", "20000")).With(new CgroupSetting("cpu.cfs_period_us", "50000")), _ => true)));
    }

    [Fact]
    public void Version_2_gets_shares_as_a_weight_and_refuses_what_only_version_1_has()
    {
        string Translate(CgroupSettings settings, bool bfq = false) =>
            string.Join('\n', V2Translation.Translate(settings, f => bfq == (f == "io.bfq.weight")));
        Assert.Equal("cpu.weight = 100", Translate(CgroupSettings.None.WithCpuShares(1024)));
        Assert.Equal("cpu.weight = 59", Translate(CgroupSettings.None.WithCpuShares(512)));
        Assert.Equal("io.bfq.weight = 545", Translate(CgroupSettings.None.WithIoWeight(5000), bfq: true));
        Assert.Equal("io.weight = default 5000", Translate(CgroupSettings.None.WithIoWeight(5000)));
        foreach (CgroupSettings settings in new[] { CgroupSettings.None.WithCpuRtPeriod(TimeSpan.FromSeconds(1)),
            CgroupSettings.None.WithMemorySwappiness(1), CgroupSettings.None.WithNetClassId(1) })
            Assert.Contains("only version 1 has it", Assert.Throws<KernelFeatureException>(() => Translate(settings)).Message);
    }

    [Fact]
    public void Values_that_no_kernel_takes_are_refused_at_once()
    {
        CgroupSettings none = CgroupSettings.None;
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpus(0.001));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpus(double.NaN));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpuWeight(0));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpuShares(1));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithIoWeight(10001));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithMemoryMax(new(-1)));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpuUclampMin(101));
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithCpusetCpus(-1));
        Assert.Throws<ArgumentException>(() => none.With(new CgroupSetting("../memory.max", "1")));
    }

    [Theory]
    [InlineData("512", 512)]
    [InlineData("64m", 64L << 20)]
    [InlineData("64MiB", 64L << 20)]
    [InlineData("1.5g", 3L << 29)]
    [InlineData("2kb", 2048)]
    public void Sizes_are_read_as_docker_reads_them(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text).Bytes);

    [Theory]
    [InlineData("")]
    [InlineData("m")]
    [InlineData("-1")]
    [InlineData("64mm")]
    [InlineData("99999999999999999999g")]
    public void What_is_no_size_is_refused(string text) => Assert.Throws<FormatException>(() => ByteSize.Parse(text));
}
