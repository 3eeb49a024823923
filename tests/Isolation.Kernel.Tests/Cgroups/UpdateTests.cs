using System.Diagnostics;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Launcher;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Limits of running containers that change: what no flag names stays as it is.</summary>
public class UpdateTests
{
    private static readonly ByteSize s_memory = ByteSize.FromMebibytes(64);

    [Fact]
    public async Task A_change_of_one_limit_leaves_the_others()
    {
        ContainerLimitTests.NeedsOwnCgroup();
        Host.NeedsRoot();
        await using Container process = await Start("change", b => b.WithMemoryMax(s_memory).WithMemorySwapMax(new(0))
            .WithCpuMax(new CpuMax(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(1))));
        Cgroup cgroup = process.Cgroup!;
        Assert.SkipWhen(cgroup.Read(TestCgroup.IsV2 ? "memory.swap.max" : "memory.memsw.limit_in_bytes") is null,
            "needs accounting of swap");
        const int Mebibyte = 1 << 20;
        Assert.Equal((64 * Mebibyte, 0, "500000 1000000"), Limits(cgroup));
        // More memory is no more swap; docker's container update with a memory alone leaves memory and swap together.
        await UpdateAsync("change", "--memory", "100m");
        Assert.Equal((100 * Mebibyte, 0, "500000 1000000"), Limits(cgroup));
        await UpdateAsync("change", "--memory=32m");
        Assert.Equal((32 * Mebibyte, 0, "500000 1000000"), Limits(cgroup));
        // The kernel's cgroup-v2 guide, cpu.max: one number alone is the quota.
        await UpdateAsync("change", "--cpu-quota", "250000");
        Assert.Equal((32 * Mebibyte, 0, "250000 1000000"), Limits(cgroup));
        await UpdateAsync("change", "--cpu-period", "500000");
        Assert.Equal((32 * Mebibyte, 0, "250000 500000"), Limits(cgroup));
        // docker run, --memory-swap: memory and swap together.
        await UpdateAsync("change", "--memory-swap", "48m");
        Assert.Equal((32 * Mebibyte, 16 * Mebibyte, "250000 500000"), Limits(cgroup));
        await UpdateAsync("change", "--memory", "64m", "--memory-swap", "64m");
        Assert.Equal((64 * Mebibyte, 0, "250000 500000"), Limits(cgroup));
        await UpdateAsync("change", "--memory-swap", "-1");
        Assert.Equal((64 * Mebibyte, long.MaxValue, "250000 500000"), Limits(cgroup));
        await UpdateAsync("change", "--memory", "-1");
        Assert.Equal((long.MaxValue, long.MaxValue, "250000 500000"), Limits(cgroup));
        await UpdateAsync("change", "--cpu-quota", "-1");
        Assert.Equal("max 500000", Limits(cgroup).Cpu);
        await UpdateAsync("change", "--cpus", "0.29");
        Assert.Equal("29000 100000", Limits(cgroup).Cpu);
        await UpdateAsync("change", "--cpus", "0");
        Assert.Equal("max 100000", Limits(cgroup).Cpu);
    }

    [Fact]
    public async Task Processors_are_taken_and_given_back_later()
    {
        ContainerLimitTests.NeedsOwnCgroup();
        Host.NeedsRoot();
        string directory;
        string all = Allowed(Environment.ProcessId);
        await using (Container process = await Start("processors", b => b))
        {
            await UpdateAsync("processors", "--cpuset-cpus", "0");
            Assert.Equal("0", Allowed(process.ProcessId));
            using (Cgroup found = RunningContainers.Open("processors"))
                directory = found.Directories.Select(d => d.MountPoint + d.Path).First(d => File.Exists(d + "/cpuset.cpus"));
            Assert.Equal("0", File.ReadAllText(directory + "/cpuset.cpus").Trim());
            await UpdateAsync("processors", "--cpuset-cpus", "");
            Assert.Equal(all, Allowed(process.ProcessId));
        }

        Assert.False(Directory.Exists(directory), directory);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_container_that_was_started_from_other_control_groups_is_found_whole(bool memoryAlone)
    {
        Host.NeedsRoot();
        TestCgroup.NeedsV1();
        using CgroupV1 from = CgroupV1.Create($"test-starter-{Environment.ProcessId}-{memoryAlone}");
        string name = $"elsewhere{Environment.ProcessId}-{memoryAlone}";
        string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
        IEnumerable<CgroupDirectory> entered = from.Directories.Where(d => !memoryAlone || d.Has("memory.limit_in_bytes"));
        string enter = string.Concat(entered.Select(d => $"echo $$ > {d.MountPoint + d.Path}/cgroup.procs; "));
        var start = new ProcessStartInfo("/bin/sh", ["-c",
            $"{enter}exec dotnet {launcher} run --name {name} --memory 100m -- sh -c 'echo up; exec sleep 1000'"])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        using Process run = Process.Start(start)!;
        try
        {
            Assert.Equal("up", await run.StandardOutput.ReadLineAsync());
            Assert.Single(RunningContainers.ReadNames(), name);
            await UpdateAsync(name, "--memory", "50m", "--pids-limit", "77");
            using Cgroup found = RunningContainers.Open(name);
            using CgroupStats stats = found.OpenStats();
            Assert.Equal((50 << 20, 77), (stats.Memory!.Max, stats.Pids!.Max));
            Assert.InRange(stats.Memory.Current, 1, 50 << 20);
            Assert.Contains("memory", Assert.IsType<CgroupV1>(found).Controllers);
        }
        finally
        {
            // The launcher ends with its container, and removes its control groups before.
            using (Cgroup all = RunningContainers.Open(name))
                all.Kill();
            await run.WaitForExitAsync().WaitAsync(TimeSpan.FromSeconds(30));
            await from.KillAndDeleteAsync(); // its reaper may be in it still
        }
    }

    [Fact]
    public void A_valid_quota_is_taken_below_and_above_limited_groups()
    {
        TestCgroup.NeedsV1();
        using var above = new TestCgroup("quota");
        using CgroupV1 middle = CgroupV1.Create(above.Name + "/middle", "cpu"), below = CgroupV1.Create(above.Name + "/middle/below",
            "cpu");
        above.Group.WithCpus(0.5);
        middle.WithCpus(0.5);
        below.WithCpus(0.5);
        // The same share by another period: written in either order it is more than the one above has, or less than the one below.
        middle.WithCpuMax(new CpuMax(TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(1)));
        Assert.Equal("500000 1000000", Limits(middle).Cpu);
        middle.WithCpuMax(new CpuMax(TimeSpan.FromMilliseconds(5), TimeSpan.FromMilliseconds(10)));
        Assert.Equal("5000 10000", Limits(middle).Cpu);
        // One that is more than the one above has is refused, and changes nothing.
        Assert.Equal(Errno.EINVAL, Assert.Throws<LinuxException>(() => middle.WithCpuMax(new CpuMax(TimeSpan.FromMilliseconds(600),
            TimeSpan.FromSeconds(1)))).Errno);
        Assert.Equal("5000 10000", Limits(middle).Cpu);
    }

    [Fact]
    public void Control_groups_are_made_in_chosen_hierarchies_alone()
    {
        Host.NeedsRoot();
        TestCgroup.NeedsV1();
        string name = $"isolation-chosen-{Environment.ProcessId}";
        using CgroupV1 cgroup = CgroupV1.Create(name, "cpu", "cpuacct");
        try
        {
            // cgcreate -g cpu,cpuacct:NAME: these directories, and no other.
            Assert.Equal(["cpu", "cpuacct"], cgroup.Controllers.Order());
            Assert.All(cgroup.Directories, d => Assert.True(Directory.Exists(d.MountPoint + d.Path)));
            Assert.False(Directory.Exists("/sys/fs/cgroup/pids/" + name));
            Assert.False(Directory.Exists("/sys/fs/cgroup/unified/" + name));
            using CgroupV1 again = CgroupV1.Open(name, "cpuacct");
            Assert.Equal(["cpuacct"], again.Controllers);
            Assert.Throws<LinuxException>(() => CgroupV1.Open(name, "pids"));
            Assert.Contains("the controller nosuch of version 1", Assert.Throws<KernelFeatureException>(() => CgroupV1.Create(name,
                "nosuch")).Message);
            Assert.Throws<ArgumentException>(() => CgroupV1.Create(name, []));
        }
        finally
        {
            cgroup.Delete();
        }
    }

    private static async Task<Container> Start(string name, Func<ContainerBuilder, ContainerBuilder> limit)
    {
        Container process = await limit(Box.Shell("echo up; sleep 1000")).WithName(name).WithStandardOutput(Stdio.Pipe).StartAsync();
        using var reader = new StreamReader(process.StandardOutput!);
        Assert.Equal("up", await reader.ReadLineAsync());
        return process;
    }

    private static async Task UpdateAsync(string name, params string[] flags)
    {
        string[] launcher = [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "update", .. flags, name];
        (int code, string output) = await Task.Run(() => Host.Run(Host.Dotnet, launcher));
        Assert.True(code == 0, output);
    }

    private static string Allowed(int processId) => File.ReadAllLines($"/proc/{processId}/status").First(l =>
        l.StartsWith("Cpus_allowed_list:")).Split('\t')[1];

    /// <summary>Memory, swap and CPU time, in version 2's words.</summary>
    private static (long Memory, long Swap, string Cpu) Limits(Cgroup cgroup)
    {
        // Version 1 has no word for no limit: the largest number, rounded down to pages.
        static long Number(string? text) => text is null or "max" ? long.MaxValue
            : long.Parse(text, CultureInfo.InvariantCulture) is var number && number >= long.MaxValue / 65536 * 65536 ? long.MaxValue
                : number;
        string? Read(string file) => cgroup.Read(file)?.Trim();
        if (TestCgroup.IsV2)
            return (Number(Read("memory.max")), Number(Read("memory.swap.max")), Read("cpu.max")!);
        (long memory, long both) = (Number(Read("memory.limit_in_bytes")), Number(Read("memory.memsw.limit_in_bytes")));
        string quota = Read("cpu.cfs_quota_us")!;
        return (memory, both == long.MaxValue ? both : both - memory, $"{(quota == "-1" ? "max" : quota)} {Read("cpu.cfs_period_us")}");
    }
}
