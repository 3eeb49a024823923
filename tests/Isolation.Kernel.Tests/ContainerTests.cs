using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>The main job, on the real kernel, as root and as an ordinary user alike.</summary>
public class ContainerTests
{
    public static TheoryData<LaunchForm> Forms => [LaunchForm.InMemory, LaunchForm.Sealed, LaunchForm.Forked];

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Inside_all_is_its_own(LaunchForm form)
    {
        var leaks = new Leaks();
        string[] lines = (await Box.Shell("""
            echo $$; hostname; cat /proc/net/dev | grep -c :; cat /proc/net/dev | grep -o lo
            ls -d /proc/[0-9]* | wc -l
            sed -nE 's/^(CapEff|CapBnd|CapInh|CapAmb|NoNewPrivs|SigBlk|SigIgn):\s*//p' /proc/self/status
            echo /proc/self/fd/*
            """).WithLaunchForm(form).OutputAsync()).Split('\n');
        // Only in a process of its own can the steps leave an init behind.
        Assert.Equal([form == LaunchForm.Sealed ? "2" : "1", "box", "1", "lo"], lines[..4]);
        // The init where there is one, the shell, the half of the pipeline that lists, and the other where it is there already.
        Assert.InRange(int.Parse(lines[4]) - int.Parse(lines[0]), 1, 2);
        Assert.Equal(["0000000000000000", "0000000000000000", "0000000000000000", "00000000a80425fb", "00000000a80425fb",
            "0000000000000000", "1"], lines[5..12]);
        leaks.AssertNone();
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Only_the_standard_streams_are_open(LaunchForm form)
    {
        using FileStream inheritable = File.OpenRead("/etc/passwd");
        string output = await Box.Builder("/bin/sh", "-c", "ls -l /proc/self/fd | sed -nE 's/.* ([0-9]+) -> (.*)/\\1 \\2/p'")
            .WithLaunchForm(form).OutputAsync();
        string[] lines = output.Split('\n');
        Assert.Equal(4, lines.Length); // 0, 1, 2 and the directory that ls reads
        Assert.Equal("0 /dev/null", lines[0]);
        Assert.StartsWith("1 pipe:", lines[1]);
        Assert.StartsWith("2 pipe:", lines[2]);
        Assert.Contains("/fd", lines[3]);
    }

    [Fact]
    public void Disposing_on_the_calling_thread_kills_everything_and_waits_for_it()
    {
        PidHandle process;
        using (Container container = Box.Shell("sleep 1000 & sleep 1000").Start())
        {
            process = PidHandle.Open(container.ProcessId);
            Assert.False(process.HasExited);
        }

        Assert.True(process.HasExited);
        process.Dispose();
        // Twice, after a wait, and beside the asynchronous one.
        Container ended = Box.Builder("/bin/true").Start();
        Assert.Equal(0, ended.Wait().ExitCode);
        ended.Dispose();
        ended.Dispose();
        Assert.True(ended.DisposeAsync().AsTask().IsCompletedSuccessfully);
    }

    [Fact]
    public async Task Old_root_and_host_mounts_are_out_of_reach()
    {
        // One mount on /, nothing above it, and not the host's.
        Assert.Equal("1", await Box.Shell("cut -d' ' -f5 /proc/self/mountinfo | grep -cx /").OutputAsync());
        Assert.Equal("", await Box.Shell("awk '$5 == \"/\"' /proc/self/mountinfo | grep -w ext4; true").OutputAsync());
        Assert.Equal("same",
            await Box.Shell("[ $(stat -c %d:%i /) = $(stat -c %d:%i /..) ] && [ $(stat -c %d:%i /) = $(stat -c %d:%i "
                + "/proc/self/root/..) ] && echo same").OutputAsync());
    }

    [Fact]
    public async Task Kernel_settings_cannot_be_written()
    {
        string output = await Box.Shell("for f in /proc/sys/kernel/core_pattern /proc/sysrq-trigger /proc/sys/kernel/hostname "
            + "/sys/kernel/uevent_helper; do (echo x > $f) 2>/dev/null && echo wrote $f; done; true").OutputAsync();
        Assert.Equal("", output);
    }

    [Fact]
    public async Task Exit_code_signal_and_usage_come_back()
    {
        ContainerResult exited = await Box.Shell("exit 42").RunAsync();
        Assert.Equal((42, null), (exited.Status.Code, exited.Status.Signal));
        ContainerResult killed = await Box.Shell("sh -c 'kill -SEGV $$'; exit $?").RunAsync();
        Assert.Equal(139, killed.Status.Code);
        await using Container process = await Box.Builder("/bin/sleep", "1000").StartAsync();
        process.Kill(Signal.SIGKILL);
        Assert.Equal((null, Signal.SIGKILL), ((await process.WaitAsync()).Status.Code, (await process.WaitAsync()).Status.Signal));
    }

    [Fact]
    public async Task The_status_is_kept_when_somebody_else_reaped()
    {
        await using Container process = await Box.Builder("/bin/sleep", "1000").StartAsync();
        Assert.False(process.Process.HasExited);
        process.Kill();
        ContainerResult result = await process.WaitAsync();
        Assert.True(process.Process.HasExited);
        // Reaped by the watcher: a second reap asks the pidfd, which knows since Linux 6.15.
        ExitStatus again = Linux.Syscalls.WaitSyscalls.Reap(process.Process, block: true)!.Value;
        if (KernelVersion.Running >= new KernelVersion(6, 15))
            Assert.Equal(Signal.SIGKILL, again.Signal);
        else
            Assert.False(again.IsKnown);
        Assert.Equal(Signal.SIGKILL, result.Status.Signal);
    }

    [Fact]
    public async Task Starting_and_waiting_can_be_synchronous_and_mixed()
    {
        var leaks = new Leaks();
        await using (Container process = Box.Shell("exit 3").Start())
        {
            Assert.Equal(3, process.Wait().Status.Code);
            Assert.Equal(3, (await process.WaitAsync()).Status.Code);
        }

        await using (Container process = await Box.Shell("sleep 0.2; exit 4").StartAsync())
        {
            Task<ContainerResult> asynchronous = process.WaitAsync();
            Assert.Equal(4, (await Task.Run(process.Wait)).Status.Code);
            Assert.Same(await asynchronous, process.Wait());
        }

        Assert.Throws<LaunchException>(() => Box.Builder("/no/such/command").Start());
        Container unwaited = Box.Builder("/bin/true").Start();
        await unwaited.DisposeAsync();
        leaks.AssertNone();
    }

    [Fact]
    public async Task A_timeout_kills_everything_and_says_so()
    {
        ContainerResult result = await Box.Shell("sleep 1000 & sleep 1000").WithTimeout(TimeSpan.FromMilliseconds(200)).RunAsync();
        Assert.True(result.TimedOut);
        Assert.Equal(Signal.SIGKILL, result.Status.Signal);
        Assert.InRange(result.Duration.TotalSeconds, 0.19, 20);
    }

    [Fact]
    public async Task Cancelling_a_run_kills_everything()
    {
        var leaks = new Leaks();
        using var source = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Box.Shell("sleep 1000 & sleep 1000").RunAsync(source.Token));
        leaks.AssertNone();
        using var cancelled = new CancellationTokenSource();
        await cancelled.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Box.Builder("/bin/true").StartAsync(cancelled.Token));
    }

    [Fact]
    public async Task Disposing_leaves_no_descendant()
    {
        var leaks = new Leaks();
        string marker = $"98{Random.Shared.Next(1_000_000)}";
        Container process = await Box.Shell($"setsid sleep {marker} & sleep {marker} & exec sleep {marker}").StartAsync();
        await WaitFor(() => Sleeping(marker) == 3);
        await process.DisposeAsync();
        Assert.Equal(0, Sleeping(marker));
        leaks.AssertNone();
    }

    [Fact]
    public async Task Disposing_leaves_no_descendant_in_the_hosts_pid_namespace()
    {
        string marker = $"98{Random.Shared.Next(1_000_000)}";
        Container process = await Box.Shell($"setsid sh -c 'sleep {marker} & sleep {marker} & exit' & sleep {marker}")
            .WithNamespacesSharedWithHost(NamespaceKinds.Pid).StartAsync();
        await WaitFor(() => Sleeping(marker) == 3);
        await process.DisposeAsync();
        Assert.Equal(0, Sleeping(marker));
    }

    [Fact]
    public async Task An_init_is_process_1_forwards_signals_and_reaps_orphans()
    {
        await using Container process = await Box.Shell(
            "trap 'echo got; exit 5' USR1; (sleep 0.05 &); sleep 0.3; ps -eo pid,stat | grep -c Z; echo $$; while :; do sleep 0.05; done")
            .WithInit().WithStandardOutput(Stdio.Pipe).StartAsync();
        var output = new StreamReader(process.StandardOutput!);
        Assert.Equal("0", await output.ReadLineAsync());
        Assert.Equal("2", await output.ReadLineAsync());
        process.Kill(Signal.SIGUSR1);
        Assert.Equal("got", await output.ReadLineAsync());
        Assert.Equal(5, (await process.WaitAsync()).Status.Code);
    }

    [Fact]
    public async Task Input_and_output_are_streams()
    {
        await using Container process = await Box.Builder("/bin/cat").WithStandardInput(Stdio.Pipe)
            .WithStandardOutput(Stdio.Pipe).StartAsync();
        await process.StandardInput!.WriteAsync("hello"u8.ToArray());
        process.StandardInput.Close();
        Assert.Equal("hello", await new StreamReader(process.StandardOutput!).ReadToEndAsync());
        Assert.Equal(0, (await process.WaitAsync()).Status.Code);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task Files_and_handles_can_be_streams_and_descriptors(LaunchForm form)
    {
        using var directory = new TemporaryDirectory();
        string input = directory.Write("in", "from file"), target = Path.Combine(directory.Path, "out");
        using FileStream three = File.OpenRead(directory.Write("three", "III")), four = File.OpenRead(directory.Write("four", "IV")),
            error = new(Path.Combine(directory.Path, "err"), FileMode.Create, FileAccess.Write, FileShare.ReadWrite);
        // Sources may have the very numbers that are targets: 3 to 6 are given in an order that would overwrite.
        ContainerResult result = await Box.Shell("cat; cat <&5; cat <&3; echo oops >&2; ls /proc/self/fd | wc -l")
            .WithStandardInput(Stdio.File(input)).WithStandardOutput(Stdio.File(target))
            .WithStandardError(Stdio.Handle(error.SafeFileHandle))
            .AddDescriptor(four.SafeFileHandle, 5).AddDescriptor(three.SafeFileHandle, 3).WithLaunchForm(form).RunAsync();
        Assert.Equal(0, result.Status.Code);
        Assert.Equal("from fileIVIII6\n", File.ReadAllText(target));
        Assert.Equal("oops\n", File.ReadAllText(Path.Combine(directory.Path, "err")));
        ContainerResult appended = await Box.Builder("/bin/echo", "more").WithStandardOutput(Stdio.File(target, append: true)).RunAsync();
        Assert.Equal((0, "from fileIVIII6\nmore\n"), (appended.Status.Code, File.ReadAllText(target)));
    }

    [Fact]
    public async Task A_terminal_is_its_own_and_controlling()
    {
        await using Container process =
            await Box.Shell("tty; test -c /dev/console && echo console; ps -o tty= -p $$; read line; echo \"<$line>\"; stty size")
                .WithTerminal().StartAsync();
        process.Terminal!.Resize(columns: 99, rows: 33);
        await process.Terminal.Stream.WriteAsync("typed\n"u8.ToArray());
        string output = ReadTerminal(process);
        Assert.Equal(0, (await process.WaitAsync()).Status.Code);
        foreach (string expected in new[] { "/dev/pts/0", "console", "pts/0", "<typed>", "33 99" })
            Assert.Contains(expected, output);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_was_written_to_a_terminal_can_be_read_after_the_end(bool init)
    {
        for (int i = 0; i < 20; i++)
        {
            await using Container process = await Box.Shell("echo written").WithTerminal().WithInit(init).StartAsync();
            await process.WaitAsync();
            Assert.Equal("written\r\n", ReadTerminal(process));
        }
    }

    [Fact]
    public async Task Process_settings_arrive()
    {
        ContainerBuilder builder = Box.Shell("pwd; umask; echo $A; echo $HOME; ulimit -n; ulimit -Hn; cat /proc/self/oom_score_adj; "
            + "cat /proc/sys/kernel/domainname; cat /proc/sys/net/ipv4/ip_forward; cat /proc/sys/kernel/shmmax; env | wc -l")
            .WithWorkingDirectory("/made/for/this", create: true).WithUmask((UnixFileMode)0b000_111_010).AddEnvironment("A", "b=c d")
            .AddRlimit(new Rlimit(RlimitResource.Nofile, 100, 200))
            .WithOomScoreAdj(500).WithDomainName("example.net").AddSysctl("net.ipv4.ip_forward", "1").AddSysctl("kernel.shmmax", "12345")
            .WithWritableRoot();
        string[] expected = ["/made/for/this", "0072", "b=c d", "/root", "100", "200", "500", "example.net", "1", "12345"];
        Assert.Equal(expected, (await builder.OutputAsync()).Split('\n')[..^1]);
    }

    [Fact]
    public async Task Launches_work_where_clone3_is_refused()
    {
        Linux.Launching.CloneSupport.HasClone3 = false;
        try
        {
            foreach (LaunchForm form in Enum.GetValues<LaunchForm>())
                Assert.Equal(form == LaunchForm.Sealed ? "2" : "1", await Box.Shell("echo $$").WithLaunchForm(form).OutputAsync());
            if (Host.IsRoot)
                Assert.Equal("0 100000 65536", await Box.Shell("echo $(cat /proc/self/uid_map)")
                    .WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536")).OutputAsync());
        }
        finally
        {
            Linux.Launching.CloneSupport.HasClone3 = true;
        }
    }

    [Fact]
    public async Task Another_user_keeps_only_ambient_capabilities()
    {
        const string Show = "id -u; sed -nE 's/^Cap(Eff|Prm|Bnd|Amb):\\s*0*//p' /proc/self/status";
        Assert.Equal("33\n\n\na80425fb\n", await Box.Shell(Show).WithUser(33, 33).OutputAsync() + "\n");
        CapabilitySet net = CapabilitySet.Of(Capability.NetRaw);
        Assert.Equal("33\n2000\n2000\na80425fb\n2000", await Box.Shell(Show).WithUser(33, 33)
            .WithCapabilities(new CapabilityState(CapabilitySet.DockerDefault, net, net, net, net)).OutputAsync());
    }

    [Fact]
    public async Task This_process_stays_dumpable_whatever_its_children_change()
    {
        Host.NeedsRoot();
        long before = Linux.Launching.Dumpable.Current;
        await Task.WhenAll(Enumerable.Range(0, 20)
            .Select(_ => Box.Builder("/bin/true").WithUser(33, 33).WithLaunchForm(LaunchForm.InMemory).RunAsync()));
        Assert.Equal((1, 1), (before, Linux.Launching.Dumpable.Current));
    }

    [Fact]
    public async Task The_cgroup_tree_can_be_mounted_from_the_containers_own_root()
    {
        Host.NeedsRoot();
        string output = await Box.Shell(
            "stat -f -c %T /sys/fs/cgroup; cat /proc/self/cgroup | grep ^0; (mkdir /sys/fs/cgroup/x) 2>/dev/null || echo read-only")
            .AddMount(new Cgroup2Mount()).OutputAsync();
        Assert.Equal("cgroup2fs\n0::/\nread-only", output);
    }

    [Fact]
    public async Task Time_offsets_move_the_clocks()
    {
        Host.NeedsRoot();
        double before = double.Parse(File.ReadAllText("/proc/uptime").Split(' ')[0]);
        ContainerBuilder builder = Box.Shell("cut -d' ' -f1 /proc/uptime")
            .WithTimeOffsets(new TimeOffsets(TimeSpan.Zero, TimeSpan.FromDays(1)));
        if (KernelVersion.Running < new KernelVersion(6, 2))
        {
            LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => builder.StartAsync());
            Assert.Contains("write(2) failed with EACCES", e.Message);
            Assert.Contains("A newer one is needed: 6.12 will do", e.Message);
            return;
        }

        string inside = await builder.OutputAsync();
        Assert.InRange(double.Parse(inside) - before, 86_399, 86_500);
    }

    [Fact]
    public async Task Steps_of_a_start_can_be_timed_in_both_forms()
    {
        foreach (LaunchForm form in new[] { LaunchForm.InMemory, LaunchForm.Sealed })
        {
            await using Container process = await Box.Builder("/bin/true").WithLaunchForm(form).WithStepTimes().StartAsync();
            Assert.True(process.StepTimes.Length >= process.Plan.Steps.Length - 4,
                $"{process.StepTimes.Length} of {process.Plan.Steps.Length}");
            Assert.All(process.StepTimes, t => Assert.InRange(t.Duration, TimeSpan.Zero, TimeSpan.FromSeconds(10)));
            Assert.True(process.StepTimes.Sum(t => t.Duration.TotalMicroseconds) > 100);
            await process.WaitAsync();
        }
    }

    internal static async Task WaitFor(Func<bool> condition)
    {
        for (int i = 0; i < 3000 && !condition(); i++)
            await Task.Delay(20);
        Assert.True(condition());
    }

    internal static int Sleeping(string marker) =>
        Directory.EnumerateDirectories("/proc").Where(d => int.TryParse(Path.GetFileName(d), out _)).Count(d =>
        {
            try
            {
                return File.ReadAllText(d + "/cmdline").Replace('\0', ' ').StartsWith($"sleep {marker}", StringComparison.Ordinal);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return false;
            }
        });

    private static string ReadTerminal(Container process)
    {
        var output = new System.Text.StringBuilder();
        var buffer = new byte[1024];
        try
        {
            int length;
            while ((length = process.Terminal!.Stream.Read(buffer)) > 0)
                output.Append(System.Text.Encoding.UTF8.GetString(buffer, 0, length));
        }
        catch (IOException)
        {
            // EIO: the last slave was closed
        }

        return output.ToString();
    }
}
