using System.Diagnostics;
using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>A start that is held up can be cancelled, ends in time, and holds up no other.</summary>
public class HeldUpStartTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(10);

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public async Task A_fifo_without_a_partner_holds_up_its_own_start_alone_which_can_be_cancelled(int stream)
    {
        using var directory = new TemporaryDirectory();
        string path = MakeFifo(directory);
        ContainerBuilder builder = Box.Builder("/bin/true");
        builder = stream == 0 ? builder.WithStandardInput(Stdio.File(path)) : builder.WithStandardOutput(Stdio.File(path));
        await (await Box.Builder("/bin/true").StartAsync()).DisposeAsync();
        var leaks = new Leaks();
        using var cancel = new CancellationTokenSource();
        Task<Container>[] held =
            [.. Enumerable.Range(0, (2 * Environment.ProcessorCount) + 4).Select(_ => builder.StartAsync(cancel.Token))];
        Assert.Equal(0, (await Box.Builder("/bin/true").RunAsync().WaitAsync(s_soon)).Status.Code);
        Assert.All(held, h => Assert.False(h.IsCompleted));
        cancel.Cancel();
        foreach (Task<Container> each in held)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => each).WaitAsync(s_soon);
        leaks.AssertNone();
    }

    [Fact]
    public async Task A_fifo_is_read_once_its_writer_comes()
    {
        // fifo(7): opening for reading blocks until the other end is opened for writing.
        using var directory = new TemporaryDirectory();
        string path = MakeFifo(directory);
        Task<Container> starting = Box.Builder("/bin/cat").WithStandardInput(Stdio.File(path)).WithStandardOutput(Stdio.Pipe)
            .StartAsync();
        await Task.Delay(100);
        Assert.False(starting.IsCompleted);
        await File.WriteAllTextAsync(path, "through the fifo");
        await using Container process = await starting.WaitAsync(s_soon);
        Assert.Equal("through the fifo", await new StreamReader(process.StandardOutput!).ReadToEndAsync());
    }

    [Fact]
    public async Task Launches_that_are_stopped_hold_up_no_other_and_are_killed_where_they_are_cancelled()
    {
        LaunchPlan plan = StoppedPlan(null);
        int[] before = [.. Leaks.Children()];
        await HoldUpAndCancelAsync(plan);
        Assert.True(SpinWait.SpinUntil(() => !Leaks.Children().Except(before).Any(), s_soon), "a child is left");
    }

    private static async Task HoldUpAndCancelAsync(LaunchPlan plan)
    {
        using var cancel = new CancellationTokenSource();
        Task<Container>[] held = [.. Enumerable.Range(0, Environment.ProcessorCount + 2).Select(_ => plan.StartAsync(cancel.Token))];
        Assert.Equal(0, (await Box.Builder("/bin/true").RunAsync().WaitAsync(s_soon)).Status.Code);
        Assert.All(held, h => Assert.False(h.IsCompleted));
        long start = Stopwatch.GetTimestamp();
        cancel.Cancel();
        foreach (Task<Container> each in held)
            await Assert.ThrowsAnyAsync<OperationCanceledException>(() => each).WaitAsync(s_soon);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0, 4);
    }

    [Fact]
    public async Task A_launch_that_is_stopped_fails_when_its_time_is_over()
    {
        LaunchPlan plan = StoppedPlan(TimeSpan.FromSeconds(1));
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => plan.StartAsync()).WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Equal(Errno.ETIMEDOUT, e.Errno);
        // It is stopped at the first of the step's two calls or at the second.
        ErrorTableTests.Check("a start does not end in time", e.Message.Replace("write(2)", "read(2)", StringComparison.Ordinal));
    }

    [Fact]
    public void A_lock_of_networks_that_somebody_has_is_waited_for_until_that_is_cancelled()
    {
        Host.NeedsRoot();
        using NetworkState held = NetworkState.Open();
        using var cancel = new CancellationTokenSource(100);
        long start = Stopwatch.GetTimestamp();
        Assert.ThrowsAny<OperationCanceledException>(() => NetworkState.Open(cancel.Token));
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalSeconds, 0.05, 5);
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    public async Task A_signal_that_asks_for_an_end_ends_a_launcher_whose_start_waits(string signal, int code)
    {
        // Nothing runs yet that could be handed the signal. bash(1): a command that a signal has ended has the code 128 + N.
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        var start = new ProcessStartInfo(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"),
            "run", "--network", "waits", "true"])
        { RedirectStandardError = true };
        start.Environment["ISOLATION_NETWORKS"] = directory.Path;
        // The lock of networks is this process's; see flock(2).
        string state = Path.Combine(directory.Path, "run", $"net-{NetworkNumber()}");
        Directory.CreateDirectory(state);
        using FileStream held = File.Open(Path.Combine(state, "lock"), FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        using Process launcher = Process.Start(start)!;
        // It waits once it has the file open.
        Assert.True(SpinWait.SpinUntil(() => HasOpen(launcher.Id, held.Name), TimeSpan.FromSeconds(20)), "it does not wait for the lock");
        Assert.Equal(0, Host.Run("kill", "-" + signal, launcher.Id.ToString(System.Globalization.CultureInfo.InvariantCulture)).Code);
        await launcher.WaitForExitAsync().WaitAsync(s_soon); // the lock would be given up after 20 s
        Assert.Equal((code, ""), (launcher.ExitCode, await launcher.StandardError.ReadToEndAsync()));
    }

    private static string NetworkNumber() => new FileInfo("/proc/self/ns/net").LinkTarget!.Split('[', ']')[1];

    private static bool HasOpen(int process, string file)
    {
        try
        {
            return new DirectoryInfo($"/proc/{process}/fd").EnumerateFileSystemInfos().Any(f => f.LinkTarget == file);
        }
        catch (IOException)
        {
            return false; // one was closed meanwhile
        }
    }

    [Fact]
    public async Task Children_that_are_killed_at_any_moment_make_starts_that_fail_with_a_step()
    {
        // Before their first step too: each is killed as soon as it is seen.
        using var stop = new CancellationTokenSource();
        var known = new HashSet<int>(Leaks.Children());
        var sniper = new Thread(() =>
        {
            while (!stop.IsCancellationRequested)
            {
                foreach (int child in Leaks.Children().Where(known.Add))
                {
                    using PidHandle? process = PidHandle.TryOpen(child);
                    process?.TrySendSignal(Signal.SIGKILL);
                }
            }
        });
        LaunchPlan[] plans =
            [.. new[] { LaunchForm.InMemory, LaunchForm.Sealed }.Select(f => Box.Builder("/bin/true")
            .WithCgroup(CgroupUse.SharedWithParent).WithLaunchForm(f).Plan())];
        sniper.Start();
        int failed = 0;
        for (int i = 0; i < 150; i++)
        {
            try
            {
                await using Container process = await plans[i % 2].StartAsync().WaitAsync(s_soon);
                await process.WaitAsync().WaitAsync(s_soon);
            }
            catch (LaunchException e)
            {
                failed++;
                Assert.Contains("The process was killed by SIGKILL meanwhile", e.Message);
            }
        }

        stop.Cancel();
        sniper.Join();
        Assert.InRange(failed, 1, 150);
    }

    [Fact]
    public void A_child_that_ran_no_step_yet_is_at_the_first()
    {
        LaunchPlan plan = Box.Builder("/bin/true").WithLaunchForm(LaunchForm.Sealed).Plan();
        using var memory = new Linux.Programs.ProgramMemory();
        memory.Load(plan.Lowered.Launch.Program);
        memory.SelectSteps(plan.Lowered.Launch.Borrowed.First, plan.Lowered.Launch.Borrowed.End);
        Assert.Equal(-1, LauncherThread.LastStep(plan.Lowered.Launch, memory));
    }

    [Fact]
    public void A_helper_may_write_more_than_a_pipe_holds_and_leave_processes_behind()
    {
        // pipe(7): 65,536 bytes, then a writer waits.
        (ExitStatus status, string output) =
            HelperProcess.Run("/bin/sh",
            ["sh", "-c",
                "/bin/sleep 5 & i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; exit 3"]);
        Assert.Equal(3, status.Code);
        Assert.Equal(4096, output.Length);
    }

    [Fact]
    public void A_companion_may_write_more_than_a_pipe_holds()
    {
        using var directory = new TemporaryDirectory();
        string path = Path.Combine(directory.Path, "over");
        using PidHandle self = PidHandle.Open(Environment.ProcessId);
        using CompanionProcess companion = CompanionProcess.Start("/bin/sh",
            ["sh", "-c", "i=0; while [ $i -lt 4000 ]; do echo 0123456789012345678901234567890123456789; i=$((i+1)); done; "
                + $"echo last; : > {path}; exec sleep 100"], self);
        Assert.True(SpinWait.SpinUntil(() => File.Exists(path), s_soon), "it stands still");
        string said = "";
        Assert.True(SpinWait.SpinUntil(() => (said += companion.ReadOutput()).EndsWith("last\n", StringComparison.Ordinal), s_soon), said);
        Assert.False(companion.HasExited);
    }

    [Theory]
    [InlineData("--no-descriptor")]
    [InlineData("--no-thread")]
    [InlineData("--pool")]
    public void What_failed_once_for_lack_of_descriptors_or_threads_works_when_there_are_some(string what)
    {
        if (what == "--pool")
            Host.NeedsRoot();
        if (what == "--no-thread")
            Host.NeedsOrdinaryUser(); // setrlimit(2): RLIMIT_NPROC holds for nobody with CAP_SYS_RESOURCE
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        Assert.SkipUnless(Path.GetFileName(Environment.ProcessPath) == "dotnet" && File.Exists(victim), "needs dotnet and the victim");
        (int code, string output) = Host.Run(Environment.ProcessPath!, victim, what);
        Assert.Equal(("ok", 0), (output.Trim(), code));
    }

    [Fact]
    public void No_type_initializer_needs_a_descriptor()
    {
        // ECMA-335 I.8.9.5, and TypeInitializationException: one that has failed once fails for the rest of the process.
        string victim = Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll");
        Assert.SkipUnless(Path.GetFileName(Environment.ProcessPath) == "dotnet" && File.Exists(victim), "needs dotnet and the victim");
        (int code, string output) = Host.Run(Environment.ProcessPath!, victim, "--type-initializers");
        string[] lines = output.Trim().Split('\n');
        Assert.Equal(("", 0), (string.Join('\n', lines[1..]), code));
        Assert.InRange(int.Parse(lines[0], CultureInfo.InvariantCulture), 200, 2000);
    }

    private static string MakeFifo(TemporaryDirectory directory)
    {
        string path = Path.Combine(directory.Path, "fifo");
        Assert.Equal(0, Host.Run("mkfifo", path).Code);
        return path;
    }

    /// <summary>A plan whose child is stopped when it waits for its id maps.</summary>
    private static LaunchPlan StoppedPlan(TimeSpan? timeout)
    {
        Host.NeedsRoot();
        var map = new IdMap(new IdMapRange(0, 500_000, 65_536));
        LaunchPlan plan = Box.Builder("/bin/true").WithUserNamespace(map, map).WithTimeout(timeout).Plan();
        return new LaunchPlan(plan.Asked, plan.Facts, plan.User, plan.Entries, plan.Slots with { Handshake = new StoppingHandshake() });
    }

    private sealed class StoppingHandshake : LaunchHandshake
    {
        internal override void Serve(int processId)
        {
            using PidHandle child = PidHandle.Open(processId);
            child.SendSignal(Signal.SIGSTOP);
        }
    }
}
