using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests;

public sealed class ResultTests
{
    private const int Mebibyte = 1 << 20;

    [Fact]
    public async Task A_program_that_ended_by_itself_has_not_timed_out()
    {
        // A zombie takes a signal (kill(2)), and keeps its own status.
        await using Container process = await Box.Builder("/bin/true").WithTimeout(TimeSpan.FromMilliseconds(300)).StartAsync();
        await Task.Delay(700, TestContext.Current.CancellationToken);
        ContainerResult result = await process.WaitAsync();
        Assert.Equal((0, null, false, false, LimitHits.None),
            (result.Status.Code, result.Status.Signal, result.TimedOut, result.Killed, result.Limits));
    }

    [Fact]
    public async Task A_program_that_ended_by_itself_was_not_killed()
    {
        await using Container process = await Box.Shell("exit 7").StartAsync();
        while (!process.Process.HasExited)
            await Task.Delay(5, TestContext.Current.CancellationToken);
        ContainerResult result = await process.KillAllAsync();
        Assert.Equal((7, false, false), (result.Status.Code, result.Killed, result.TimedOut));
    }

    [Fact]
    public async Task The_first_who_killed_is_told()
    {
        await using Container late = await Box.Builder("/bin/sleep",
            "1000").WithTimeout(TimeSpan.FromMilliseconds(200)).StartAsync();
        ContainerResult timed = await late.WaitAsync();
        Assert.Equal((Signal.SIGKILL, true, false), (timed.Status.Signal, timed.TimedOut, timed.Killed));
        await using Container early = await Box.Builder("/bin/sleep", "1000").WithTimeout(TimeSpan.FromSeconds(100)).StartAsync();
        ContainerResult killed = await early.KillAllAsync();
        Assert.Equal((Signal.SIGKILL, false, true), (killed.Status.Signal, killed.TimedOut, killed.Killed));
        // By another: neither.
        await using Container other = await Box.Builder("/bin/sleep", "1000").WithTimeout(TimeSpan.FromSeconds(100)).StartAsync();
        other.Process.SendSignal(Signal.SIGKILL);
        ContainerResult ended = await other.WaitAsync();
        Assert.Equal((Signal.SIGKILL, false, false), (ended.Status.Signal, ended.TimedOut, ended.Killed));
    }

    [Fact]
    public async Task At_the_deadline_the_status_and_its_reason_agree()
    {
        // sleep(1) ends as the deadline comes: both ends are right, but no exit code is a kill.
        for (int i = 0; i < 40; i++)
        {
            ContainerResult result = await Box.Builder("/bin/sleep",
                "0.1").WithTimeout(TimeSpan.FromMilliseconds(95 + (i % 10))).RunAsync();
            Assert.True(result.TimedOut == (result.Status.Signal == Signal.SIGKILL), result.ToString());
            Assert.True(result.Status is { Signal: Signal.SIGKILL } or { Code: 0 }, result.ToString());
        }
    }

    [Fact]
    public async Task A_programs_peak_is_its_own_and_not_its_starters()
    {
        TouchMemory(1024);
        ContainerResult small = await Box.Shell("exit 42").RunAsync();
        // A shell that does nothing has about 1 MiB, most of it the C library's.
        Assert.InRange(small.Status.Usage!.Value.MaxResidentBytes!.Value, 256 << 10, 8 * Mebibyte);
        // dd(1) fills a buffer of bs bytes.
        ContainerResult large = await Box.Builder("/bin/dd", "if=/dev/zero", "of=/dev/null", "bs=64M", "count=1", "status=none").RunAsync();
        Assert.InRange(large.Status.Usage!.Value.MaxResidentBytes!.Value, 64 * Mebibyte, 72 * Mebibyte);
        ContainerResult child = await Box.Shell("dd if=/dev/zero of=/dev/null bs=64M count=1 status=none; exit 3").RunAsync();
        Assert.InRange(child.Status.Usage!.Value.MaxResidentBytes!.Value, 64 * Mebibyte, 72 * Mebibyte);
    }

    [Theory]
    [InlineData(LaunchForm.InMemory)]
    [InlineData(LaunchForm.Sealed)]
    [InlineData(LaunchForm.Forked)]
    public async Task A_peak_that_would_be_the_starters_is_not_told(LaunchForm form)
    {
        ContainerResult result = await Box.Builder("/bin/true").WithInit(false).WithLaunchForm(form).RunAsync();
        Assert.Null(result.Status.Usage!.Value.MaxResidentBytes);
        Assert.True(result.Status.Usage.Value.MinorFaults > 0);
    }

    [Fact]
    public async Task A_file_that_is_not_understood_costs_neither_the_result_nor_the_clean_up()
    {
        Host.NeedsRoot();
        Cgroups.ContainerLimitTests.NeedsOwnCgroup();
        await using Container process = await Box.Shell("read go; exit 5").WithStandardInput(Stdio.Pipe)
            .WithMemoryMax(ByteSize.FromMebibytes(64)).StartAsync();
        string[] directories = [.. process.Cgroup!.Directories.Select(d => d.MountPoint + d.Path)];
        string file = directories.Select(d => d + "/pids.max").First(File.Exists);
        using var directory = new TemporaryDirectory();
        string strange = directory.Write("strange", "as many as there are\n");
        Assert.Equal((0, ""), Host.Run("mount", "--bind", strange, file));
        try
        {
            await process.StandardInput!.WriteAsync("\n"u8.ToArray(), TestContext.Current.CancellationToken);
            await process.StandardInput.FlushAsync(TestContext.Current.CancellationToken);
            ContainerResult result = await process.WaitAsync();
            Assert.Equal(5, result.Status.Code);
            Assert.Equal(ByteSize.FromMebibytes(64), result.Usage!.MemoryMax);
            Assert.True(result.Usage.CpuTime > TimeSpan.Zero);
            Assert.All(directories, d => Assert.False(Directory.Exists(d), d));
        }
        finally
        {
            Host.Run("umount", "--lazy", file); // gone with the directory
        }
    }

    [Theory]
    [InlineData("memory.max", "0", "linux.resources.memory.limit: must be a page or more")]
    [InlineData("memory.max", "4095", "linux.resources.memory.limit: must be a page or more")]
    [InlineData("pids.max", "0", "linux.resources.pids.limit: must be 1 or more")]
    public async Task A_limit_that_nothing_could_run_in_is_refused_by_name(string file, string value, string expected)
    {
        SpecException e = await Assert.ThrowsAsync<SpecException>(
            () => Box.Builder("/bin/true").With(new Isolation.Cgroups.CgroupSetting(file, value)).RunAsync());
        Assert.Contains(expected, e.Message);
    }

    [Fact]
    public async Task A_limit_that_is_too_small_for_the_start_is_named()
    {
        Cgroups.ContainerLimitTests.NeedsOwnCgroup();
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(
            () => Box.Builder("/bin/true").WithMemoryMax(ByteSize.FromKibibytes(8)).RunAsync());
        Assert.Contains("The container's own limit of memory, 8.0 KiB, may be too small for its start.", e.Message);
    }

    [Fact]
    public async Task More_groups_than_the_kernel_takes_are_refused_by_name()
    {
        // NGROUPS_MAX of linux/limits.h is 65536.
        ContainerBuilder builder = Box.Builder("/bin/true")
            .WithSpec(s => s with { AdditionalGroups = [.. Enumerable.Range(1, 65_537).Select(g => $"{g}")] });
        SpecException e = await Assert.ThrowsAsync<SpecException>(() => builder.RunAsync());
        Assert.Contains("process.user.additionalGids: must be at most 65536, the kernel's NGROUPS_MAX, not \"65537\"", e.Message);
    }

    [Fact]
    public async Task A_destination_that_fails_is_not_blamed_on_the_source()
    {
        // /proc is the container's own, and takes no new files (proc(5)).
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(
            () => Box.Builder("/bin/true").AddMount(new Namespaces.BindMount("/etc", "/proc/no-such-place")).RunAsync());
        Assert.DoesNotContain("The source", e.Message);
        LaunchException source = await Assert.ThrowsAsync<LaunchException>(
            () => Box.Builder("/bin/true").AddMount(new Namespaces.BindMount("/no/such/source", "/tmp")).RunAsync());
        Assert.EndsWith("The source \"/no/such/source\" does not exist on the host.", source.Message);
    }

    [Theory]
    [InlineData("SCMP_ACT_NOTIFY")]
    [InlineData("SCMP_ACT_TRACE")]
    public async Task A_default_action_that_stops_every_call_is_refused_by_name(string action)
    {
        Isolation.Security.SeccompFilter filter = Isolation.Security.SeccompProfile.Read(
            $$"""{"defaultAction": "{{action}}", "syscalls": [{"names": ["execve", "read"], "action": "SCMP_ACT_ALLOW"}]}""");
        SpecException e = await Assert.ThrowsAsync<SpecException>(() => Box.Builder("/bin/true").WithSeccomp(filter).RunAsync());
        Assert.Contains("linux.seccomp.defaultAction: must not be", e.Message);
        Assert.Contains(action, e.Message);
    }

    private static void TouchMemory(int mebibytes)
    {
        nint size = (nint)mebibytes << 20, memory = Marshal.AllocHGlobal(size);
        for (nint at = 0; at < size; at += 4096)
            Marshal.WriteByte(memory + at, 1);
        Marshal.FreeHGlobal(memory);
    }
}
