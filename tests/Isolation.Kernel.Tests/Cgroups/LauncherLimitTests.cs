using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Launcher;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>Limits and running containers at the command line.</summary>
public class LauncherLimitTests
{
    private static (int Code, string Output) Launcher(params string[] arguments) =>
        Host.Run(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), .. arguments]);

    [Fact]
    public void A_command_that_eats_memory_is_told_to_have_been_killed_by_the_containers_own_limit()
    {
        ContainerLimitTests.NeedsOwnCgroup();
        (int code, string output) = Launcher("run", "--memory", "64m", "--", "sh", "-c", "tail /dev/zero");
        Assert.Equal(137, code);
        Assert.Matches("isolation: out of memory: the kernel killed 1 of the container's processes "
            + @"by its own limit of 64\.0 MiB \(peak 6[0-9.]+ MiB\)\.", output);
    }

    [Fact]
    public async Task Running_containers_are_shown_paused_and_updated()
    {
        ContainerLimitTests.NeedsOwnCgroup();
        Host.NeedsRoot();
        string name = $"web{Environment.ProcessId}";
        var start = new ProcessStartInfo(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", "--init",
            "--name", name, "--memory", "100m", "--", "sh", "-c", "echo up; while :; do :; done"])
        {
            RedirectStandardOutput = true,
            RedirectStandardInput = true,
        };
        using Process process = Process.Start(start)!;
        try
        {
            Assert.Equal("up", await process.StandardOutput.ReadLineAsync());
            (int code, string output) = Launcher("stats", "--no-stream", name);
            Assert.Equal(0, code);
            Assert.Matches(
                $@"NAME +CPU % +MEM USAGE / LIMIT +MEM % +BLOCK I/O +NET I/O +PIDS\n{name} +[0-9]+\.[0-9]+ +[0-9.]+ [KM]iB / 100\.0 MiB",
                output);
            Assert.Contains("while :; do :; done", Launcher("top", name).Output);
            Assert.Equal((0, ""), Launcher("pause", name));
            Assert.Matches($@"{name} +0\.00 ", Launcher("stats", "--no-stream", name).Output);
            Assert.Equal((0, ""), Launcher("update", "--memory", "50m", "--cpus=0.5", name));
            Assert.Equal((0, ""), Launcher("unpause", name));
            Assert.Contains("/ 50.0 MiB", Launcher("stats", "--no-stream", name).Output);
            (code, output) = Launcher("pause", "nobody");
            Assert.Equal(125, code);
            Assert.Matches($@"Running are: (.+, )?{name}[,.]", output);
        }
        finally
        {
            process.Kill();
        }
    }

    [Fact]
    public void Dockers_flags_become_limits()
    {
        CgroupSettings Parse(params string[] arguments) => RunFlags.Parse([.. arguments, "true"]).Resources.ToSettings();
        Assert.Equal("""
            memory.low = 1048576
            cpu.shares = 512
            cpuset.cpus = 0-1
            pids.max = max
            io.weight = default 5000
            cpu.cfs_quota_us = 20000
            cpu.cfs_period_us = 50000
            memory.max = 67108864
            memory.swap.max = 33554432
            """, Parse("--memory-reservation", "1m", "--cpu-shares", "512", "--cpuset-cpus", "0-1", "--pids-limit", "-1", "--blkio-weight",
                "505", "-m", "64m", "--memory-swap", "96m", "--cpu-quota", "20000", "--cpu-period", "50000").ToString());
        Assert.Equal("memory.max = 1024\nmemory.swap.max = 1024", Parse("-m", "1k").ToString());
        Assert.Equal("cpu.max = 75000 100000", Parse("--cpus", "0.75").ToString());
        Assert.EndsWith(" rbps=1048576 wiops=7",
            Parse("--device-read-bps", "/dev/null:1m", "--device-write-iops", "/dev/null:7").ToString());
        Assert.Throws<UsageException>(() => Parse("--memory-swap", "1m"));
        Assert.Throws<UsageException>(() => Parse("--cpus", "1", "--cpu-quota", "20000"));
        Assert.Throws<UsageException>(() => Parse("--cpus", "1", "--cpu-period", "20000"));
        Assert.Equal("cpu.cfs_period_us = 20000", Parse("--cpu-period", "20000").ToString());
        Assert.Equal("cpu.max = 29000 100000", Parse("--cpus", "0.29").ToString());
        Assert.Equal("memory.max = max", Parse("-m", "0").ToString());
        Assert.Throws<UsageException>(() => Parse("--blkio-weight", "5"));
        Assert.Equal("The flag --memory: \"lots\" is not a size such as 512, 64m or 1.5g.",
            Assert.Throws<UsageException>(() => Parse("--memory", "lots")).Message);
        Assert.Equal("The flag --cpus: Must be at least 0.01, the kernel's least quota of 1 ms in 100 ms.",
            Assert.Throws<UsageException>(() => Parse("--cpus", "0.001")).Message);
        Assert.Equal("The flag --device: \"/etc/passwd\" is not a device.",
            Assert.Throws<UsageException>(() => Parse("--device", "/etc/passwd")).Message);
    }
}
