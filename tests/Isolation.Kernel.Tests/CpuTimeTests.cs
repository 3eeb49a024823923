using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>Limits that end a program, and which of them is told.</summary>
public class CpuTimeTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(60);

    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Theory]
    [InlineData("while :; do :; done")]
    [InlineData("while :; do :; done & while :; do :; done & wait")]
    [InlineData("while :; do /bin/true; done")] // each for itself uses next to nothing: setrlimit(2), RLIMIT_CPU
    [InlineData("setsid sh -c 'while :; do :; done' & sleep 1000")]
    public async Task All_processes_together_may_use_so_much(string script)
    {
        Cgroups.ContainerLimitTests.NeedsOwnCgroup();
        ContainerResult result = await Box.Shell(script).WithCpuTimeMax(TimeSpan.FromMilliseconds(300)).RunAsync(Cancelled)
            .WaitAsync(s_soon);
        Assert.Equal((LimitHits.CpuTime, Signal.SIGKILL, false, false),
            (result.Limits, result.Status.Signal, result.TimedOut, result.Killed));
        Assert.Contains("its CPU time was used up", result.ToString());
        // A look each 10 ms, on a machine that may be busy.
        Assert.InRange(result.Usage!.CpuTime, TimeSpan.FromMilliseconds(290), TimeSpan.FromMilliseconds(Host.IsEmulated ? 3000 : 700));
    }

    [Fact]
    public async Task Time_that_passes_is_no_CPU_time()
    {
        Cgroups.ContainerLimitTests.NeedsOwnCgroup();
        ContainerResult result = await Box.Shell("sleep 1").WithCpuTimeMax(TimeSpan.FromMilliseconds(700)).RunAsync(Cancelled);
        Assert.Equal((0, LimitHits.None), (result.ExitCode, result.Limits));
    }

    [Fact]
    public void A_limit_that_cannot_hold_is_a_fault()
    {
        ContainerBuilder builder = Box.Shell("true").WithCpuTimeMax(TimeSpan.FromSeconds(1));
        Assert.Contains("cpuTimeMax: needs a control group of the container's own",
            Assert.Throws<SpecException>(() => builder.WithCgroup(CgroupUse.SharedWithParent).Build()).Message);
        Assert.Contains("cpuTimeMax: must be longer than zero",
            Assert.Throws<SpecException>(() => builder.WithCpuTimeMax(TimeSpan.Zero).Build()).Message);
    }

    [Fact]
    public async Task A_process_limit_that_ended_the_program_is_told()
    {
        // signal(7): SIGXCPU, SIGXFSZ.
        ContainerResult cpu = await Box.Shell("while :; do :; done").AddRlimit(new Rlimit(RlimitResource.Cpu, 1, 2)).RunAsync(Cancelled)
            .WaitAsync(s_soon);
        Assert.Equal((Signal.SIGXCPU, LimitHits.CpuTime), (cpu.Status.Signal, cpu.Limits));
        ContainerResult size = await Box.Shell("exec head -c 100000 /dev/zero > /dev/shm/file")
            .AddRlimit(new Rlimit(RlimitResource.Fsize, 1000, 1000)).RunAsync(Cancelled);
        Assert.Equal((Signal.SIGXFSZ, LimitHits.FileSize), (size.Status.Signal, size.Limits));
    }
}
