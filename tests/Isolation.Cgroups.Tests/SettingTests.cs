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
        .WithMemoryMin(ByteSize.FromMebibytes(1)).WithMemoryLow(ByteSize.FromMebibytes(2)).WithMemoryHigh(ByteSize.FromMebibytes(3)).WithMemoryMax(ByteSize.Max)
        .WithMemorySwapHigh(ByteSize.FromKibibytes(1)).WithMemorySwapMax(0).WithMemoryZswapMax(5).WithMemoryZswapWriteback(false).WithMemoryOomGroup(true)
        .WithCpus(0.75).WithCpuMaxBurst(TimeSpan.FromMilliseconds(20)).WithCpuWeight(200).WithCpuWeightNice(-5).WithCpuIdle(true).WithCpuUclampMin(12.5).WithCpuUclampMax(80)
        .WithCpusetCpus(5, 0, 1, 2).WithCpusetMems(0).WithCpusetCpusExclusive(2).WithCpusetPartition(CpusetPartition.Isolated)
        .WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 1 << 20, WriteOperationsPerSecond = CgroupLimit.Max }).WithIoWeight(300).WithIoWeight(s_disk, 50)
        .WithIoLatency(s_disk, TimeSpan.FromMilliseconds(5)).WithIoCostQos(s_disk, "enable=1").WithIoCostModel(s_disk, "ctrl=user").WithIoPriorityClass(IoPriorityClass.RestrictToBe)
        .WithPidsMax(100).WithHugetlbMax("2MB", ByteSize.FromMebibytes(4)).WithHugetlbRsvdMax("2MB", ByteSize.Max).WithRdmaMax("mlx4_0", 2, CgroupLimit.Max).WithMiscMax("sev", 3)
        .WithDmemMax("drm/card0/vram0", 1024).WithDmemMin("drm/card0/vram0", 1).WithDmemLow("drm/card0/vram0", 2)
        .WithCgroupMaxDepth(3).WithCgroupMaxDescendants(CgroupLimit.Max).WithCgroupPressure(false).ToString());

    [Fact]
    public void A_later_setting_replaces_an_earlier_one_of_the_same_file_and_device()
    {
        CgroupSettings settings = CgroupSettings.None.WithPidsMax(1).WithIoWeight(s_disk, 10).WithIoWeight(new DeviceNumber(9, 9), 20).WithPidsMax(2).WithIoWeight(s_disk, 30);
        Assert.Equal("io.weight = 9:9 20\npids.max = 2\nio.weight = 8:16 30", settings.ToString());
        Assert.Equal("2", settings["pids.max"]);
        Assert.Null(settings["memory.max"]);
    }

    [Fact]
    public void Version_1_gets_them_in_its_own_words()
    {
        CgroupSettings settings = CgroupSettings.None.WithMemoryMax(100).WithMemorySwapMax(50).WithMemoryLow(ByteSize.Max).WithCpus(0.5).WithCpuMaxBurst(TimeSpan.FromMilliseconds(1)).WithCpuWeight(100)
            .WithPidsMax(CgroupLimit.Max).WithIoMax(s_disk, new IoMax { ReadBytesPerSecond = 7, WriteOperationsPerSecond = CgroupLimit.Max }).WithHugetlbMax("2MB", 0).WithHugetlbRsvdMax("1GB", ByteSize.Max)
            .WithNetClassId(0x100001).WithNetPriority("eth0", 5).WithMemorySwappiness(10).WithCpuRtRuntime(TimeSpan.FromMilliseconds(9)).WithIoWeight(10000);
        Assert.Equal("""
            memory.limit_in_bytes = 100
            memory.memsw.limit_in_bytes = 150
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
            """, string.Join('\n', V1Translation.Translate(settings, () => ByteSize.Max, f => f == "blkio.bfq.weight")));
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
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => V1Translation.Translate(CgroupSettings.None.With(new CgroupSetting(file, value)), () => ByteSize.Max, _ => true));
        Assert.StartsWith($"This host cannot provide {file} on control groups of version 1: only version 2 has it.", e.Message);
    }

    [Fact]
    public void Version_2_gets_shares_as_a_weight_and_refuses_what_only_version_1_has()
    {
        string Translate(CgroupSettings settings, bool bfq = false) => string.Join('\n', V2Translation.Translate(settings, f => bfq == (f == "io.bfq.weight")));
        Assert.Equal("cpu.weight = 39", Translate(CgroupSettings.None.WithCpuShares(1024)));
        Assert.Equal("cpu.weight = 20", Translate(CgroupSettings.None.WithCpuShares(512)));
        Assert.Equal("io.bfq.weight = 1000", Translate(CgroupSettings.None.WithIoWeight(5000), bfq: true));
        Assert.Equal("io.weight = default 5000", Translate(CgroupSettings.None.WithIoWeight(5000)));
        foreach (CgroupSettings settings in new[] { CgroupSettings.None.WithCpuRtPeriod(TimeSpan.FromSeconds(1)), CgroupSettings.None.WithMemorySwappiness(1), CgroupSettings.None.WithNetClassId(1) })
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
        Assert.Throws<ArgumentOutOfRangeException>(() => none.WithMemoryMax(-1));
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
