namespace Isolation.Cgroups.Tests;

/// <summary>Files as kernels from 4.9 to 7.0 write them; Corpus/README.md tells where they are from.</summary>
public class CorpusTests
{
    private const CgroupStatKinds Everything = CgroupStatKinds.Basic | CgroupStatKinds.MemoryDetail | CgroupStatKinds.MemoryNuma
        | CgroupStatKinds.Pressure | CgroupStatKinds.Rdma | CgroupStatKinds.Misc | CgroupStatKinds.Dmem | CgroupStatKinds.Cgroup;

    public static TheoryData<string> Kernels => [.. Directory.GetDirectories(Corpus).Select(d => Path.GetFileName(d)).Order()];

    private static string Corpus => Path.Combine(AppContext.BaseDirectory, "Corpus");

    [Theory]
    [MemberData(nameof(Kernels))]
    public void The_same_use_is_read_from_what_every_kernel_writes(string kernel)
    {
        using Cgroup cgroup = Open(kernel);
        using CgroupStats stats = cgroup.OpenStats(Everything);
        for (int reading = 0; reading < 3; reading++, stats.Refresh())
        {
            Assert.Equal((1.5, 1.0, 0.5), (stats.Cpu!.Usage.TotalSeconds, stats.Cpu.User.TotalSeconds, stats.Cpu.System.TotalSeconds));
            Assert.Equal((10, 5, 0.25), (stats.Cpu.Periods, stats.Cpu.ThrottledPeriods, stats.Cpu.ThrottledTime.TotalSeconds));
            Assert.Equal((52_428_800, 67_108_864, 0), (stats.Memory!.Current, stats.Memory.Max, stats.Memory.SwapCurrent));
            Assert.Equal(52_428_800 - 12_582_912, stats.Memory.WorkingSet);
            Assert.Equal((10_000_000, 4_500_000, 100, 45),
                (stats.Io!.ReadBytes, stats.Io.WriteBytes, stats.Io.ReadOperations, stats.Io.WriteOperations));
            Assert.Equal((3, 100, 4), (stats.Pids!.Current, stats.Pids.Max, stats.Pids.Refused));
            // Linux 4.13 is the first that counts kills (cgroup-v2.rst; memory.oom_control of version 1 alike).
            Assert.Equal(kernel == "v1-4.9" ? 0 : 1, stats.Memory.OomKills);
            Assert.Equal(stats.Io.Devices.Count, stats.Io.Devices.Names.Distinct().Count());
        }
    }

    [Theory]
    [MemberData(nameof(Kernels))]
    public void A_reading_again_allocates_nothing(string kernel)
    {
        using Cgroup cgroup = Open(kernel);
        using CgroupStats stats = cgroup.OpenStats();
        stats.Refresh();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 20; i++)
            stats.Refresh();
        Assert.Equal(before, GC.GetAllocatedBytesForCurrentThread());
    }

    [Fact]
    public void Oddities_are_kept_by_name()
    {
        Assert.Equal(["253:1", "253:0", "8:0", "7:7", "7:6", "7:5", "259:0", "7:4", "7:3"], Read("v2-5.15", s =>
            s.Io!.Devices.Names.ToArray()));
        Assert.Equal(100, Read("v2-6.1", s => s.Io!.Devices["8:0"]!["cost.vrate"]));
        Assert.Equal(long.MaxValue, Read("v2-6.1", s => s.Io!.Devices["259:0"]!["depth"]));
        Assert.Equal(["(unknown)", "259:0"], Read("v1-6.8", s => s.Io!.Devices.Names.ToArray()));
        Assert.Equal(4_000_000, Read("v1-6.8", s => s.Io!.Devices["(unknown)"]!["Write"]));
        Assert.Equal(long.MaxValue, Read("v2-6.12", s => s.Rdma!["ocrdma1"]!["hca_object"]));
        Assert.Equal(4096, Read("v2-6.18", s => s.Dmem!["drm/0000:03:00.0/vram0"]));
        Assert.Equal(TimeSpan.FromMicroseconds(7), Read("v2-7.0", s => s.IrqPressure!.Value.Full.Total));
        Assert.Equal(default, Read("v2-5.4", s => s.CpuPressure!.Value.Full));
    }

    [Fact]
    public void A_file_that_is_not_understood_costs_no_other()
    {
        using var directory = new TemporaryDirectory();
        foreach (string file in Directory.GetFiles(Path.Combine(Corpus, "v2-7.0")))
            File.Copy(file, Path.Combine(directory.Path, Path.GetFileName(file)));
        File.WriteAllText(Path.Combine(directory.Path, "memory.current"), "about 50 MiB\n");
        File.WriteAllText(Path.Combine(directory.Path, "cpu.stat"),
            "usage_usec 1500000\nwhat comes next\nstate busy\n\nuser_usec 1000000\n");
        using Cgroup cgroup = new CgroupV2(CgroupDirectory.TryOpen(directory.Path, [])!);
        FormatException e = Assert.Throws<FormatException>(() => cgroup.OpenStats());
        Assert.StartsWith("memory.current of cgroup \"/\": \"about 50 MiB\"", e.Message, StringComparison.Ordinal);
        using CgroupStats stats = cgroup.OpenKnownStats();
        Assert.Equal((1.5, 1.0, 3, 10_000_000), (stats.Cpu!.Usage.TotalSeconds, stats.Cpu.User.TotalSeconds, stats.Pids!.Current,
            stats.Io!.ReadBytes));
        Assert.Equal((0, 60_000_000, 1), (stats.Memory!.Current, stats.Memory.Peak, stats.Memory.OomKills));
    }

    private static T Read<T>(string kernel, Func<CgroupStats, T> read)
    {
        using Cgroup cgroup = Open(kernel);
        using CgroupStats stats = cgroup.OpenStats(Everything);
        return read(stats);
    }

    private static Cgroup Open(string kernel)
    {
        CgroupDirectory directory = CgroupDirectory.TryOpen(Path.Combine(Corpus, kernel), [])!;
        return kernel.StartsWith("v2", StringComparison.Ordinal)
            ? new CgroupV2(directory)
            : CgroupV1.Adopt([(["cpu", "cpuacct", "memory", "blkio", "pids"], directory)], null);
    }
}
