using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>By default process 1 is an init that none of those inside can reach,
/// and the program is an ordinary process beside it.</summary>
public class InitTests
{
    // Each line: what is tried on a process, and 0 or the errno. The reference is a child of the attacker's own, with the same ids.
    private const string Attack = """
        #define _GNU_SOURCE
        #include <errno.h>
        #include <fcntl.h>
        #include <sched.h>
        #include <signal.h>
        #include <stdio.h>
        #include <stdlib.h>
        #include <string.h>
        #include <sys/ptrace.h>
        #include <sys/syscall.h>
        #include <sys/uio.h>
        #include <sys/wait.h>
        #include <unistd.h>
        static char target[4096];
        static void tell(const char *what, long r) { printf("%s=%d ", what, r < 0 ? errno : 0); }
        static void try_all(const char *name, int pid)
        {
            char path[64];
            printf("%s: ", name);
            const char *files[] = { "mem", "environ", "auxv", "pagemap", "syscall", "exe" };
            for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
                snprintf(path, sizeof path, "/proc/%d/%s", pid, files[i]);
                char byte[8];
                int file = open(path, i == 0 ? O_RDWR : O_RDONLY);
                tell(files[i], file < 0 || i == 0 ? file : read(file, byte, 8));
            }
            const char *links[] = { "root", "cwd", "ns/mnt", "ns/user", "ns/pid", "ns/cgroup" };
            for (unsigned i = 0; i < sizeof links / sizeof *links; i++) {
                char to[256];
                snprintf(path, sizeof path, "/proc/%d/%s", pid, links[i]);
                tell(links[i], readlink(path, to, sizeof to));
            }
            struct iovec here = { target, 8 }, there = { target, 8 };
            tell("process_vm_readv", process_vm_readv(pid, &here, 1, &there, 1, 0));
            tell("process_vm_writev", process_vm_writev(pid, &here, 1, &there, 1, 0));
            int handle = syscall(SYS_pidfd_open, pid, 0);
            tell("pidfd_getfd", syscall(438, handle, 0, 0));
            tell("kcmp", syscall(SYS_kcmp, getpid(), pid, 0, 0, 0));
            long attached = ptrace(PTRACE_SEIZE, pid, 0, 0);
            tell("ptrace", attached);
            printf("\n");
        }
        int main(int argc, char **argv)
        {
            if (argc > 1) {
                // Holds the init by the tracer's means for as long as it lives.
                if (ptrace(PTRACE_SEIZE, 1, 0, 0) || ptrace(PTRACE_INTERRUPT, 1, 0, 0)) return 99;
                int status;
                if (waitpid(1, &status, __WALL) != 1) return 98;
                if (!strcmp(argv[1], "stop")) { puts("held"); fflush(stdout); pause(); }
                if (!strcmp(argv[1], "exit")) return 7;
                return 97;
            }
            int child = fork();
            if (!child) { pause(); _exit(0); }
            usleep(50000);
            try_all("child", child);
            try_all("init", 1);
            kill(child, SIGKILL);
            int signals[] = { SIGKILL, SIGSTOP, SIGTERM, SIGSEGV };
            for (int i = 0; i < 4; i++) kill(1, signals[i]);
            usleep(50000);
            char text[8192] = { 0 };
            read(open("/proc/1/status", O_RDONLY), text, sizeof text - 1);
            for (char *line = strtok(text, "\n"); line; line = strtok(0, "\n"))
                if (!strncmp(line, "State", 5) || !strncmp(line, "CapPrm", 6) || !strncmp(line, "CapEff", 6) || !strncmp(line, "CapInh", 6)
                    || !strncmp(line, "Seccomp:", 8) || !strncmp(line, "NoNew", 5) || !strncmp(line, "FDSize", 6))
                    puts(line);
            return 0;
        }
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Nothing_inside_reaches_the_init(bool userNamespace)
    {
        using var directory = new TemporaryDirectory();
        ContainerBuilder builder = Attacker(directory).WithSeccompUnconfined();
        if (userNamespace && Host.IsRoot)
            builder = builder.WithUserNamespace(new IdMap(new IdMapRange(0, 500_000, 65_536)),
                new IdMap(new IdMapRange(0, 500_000, 65_536)));
        string[] lines = (await builder.OutputAsync()).Split('\n', StringSplitOptions.TrimEntries);
        // proc_pid(5) and ptrace(2): access needs a dumpable process or CAP_SYS_PTRACE.
        // On a process of its own the attacker may do all of it.
        string[] own = lines[0].Split(' ')[1..], init = lines[1].Split(' ')[1..];
        Assert.Equal(own.Length, init.Length);
        foreach ((string a, string b) in own.Zip(init))
        {
            Assert.EndsWith("=0", a);
            Assert.True(b.EndsWith("=13", StringComparison.Ordinal) || b.EndsWith("=1", StringComparison.Ordinal), b); // EACCES, EPERM
        }

        Assert.StartsWith("State:\tS", lines[2]);
        Assert.Equal(["0000000000000000", "0000000000000000", "0000000000000000", "1", "2"], lines[^5..].Select(l => l.Split('\t')[1]));
    }

    [Theory]
    [InlineData("exit")]
    [InlineData("stop")]
    public async Task The_end_does_not_depend_on_an_init_that_is_held_by_a_tracer(string act)
    {
        using var directory = new TemporaryDirectory();
        ContainerBuilder builder = Attacker(directory, act).WithSeccompUnconfined()
            .WithCapabilities(CapabilitySet.DockerDefault.Union(CapabilitySet.Of(Capability.SysPtrace))).WithStandardOutput(Stdio.Pipe);
        await using Container process = await builder.StartAsync();
        if (act == "stop")
        {
            Assert.Equal("held", await new StreamReader(process.StandardOutput!).ReadLineAsync());
            ContainerResult killed = await process.KillAllAsync().WaitAsync(TimeSpan.FromSeconds(10));
            Assert.Equal(Signal.SIGKILL, killed.Status.Signal);
        }
        else
        {
            Assert.Equal(7, (await process.WaitAsync().WaitAsync(TimeSpan.FromSeconds(10))).Status.Code);
        }
    }

    // signal(7) and core(5): what a process that is not process 1 does; the numbers are those of x86-64 and arm64.
    [Theory]
    [InlineData("exit 3", 3, null)]
    [InlineData("exit 139", 139, null)]
    [InlineData("kill -SEGV $$", null, Signal.SIGSEGV)]
    [InlineData("kill -ABRT $$", null, Signal.SIGABRT)]
    [InlineData("kill -ALRM $$", null, Signal.SIGALRM)]
    [InlineData("kill -TERM $$", null, Signal.SIGTERM)]
    [InlineData("kill -INT $$", null, Signal.SIGINT)]
    [InlineData("kill -9 $$", null, Signal.SIGKILL)]
    [InlineData("ulimit -f 0; echo x > /run/file", null, Signal.SIGXFSZ)]
    [InlineData("ulimit -S -t 1; while :; do :; done", null, Signal.SIGXCPU)]
    public async Task The_true_end_is_told(string script, int? code, Signal? signal)
    {
        ContainerResult result = await Box.Shell(script).AddMount(new TmpfsMount("/run"))
            .AddRlimit(new Rlimit(RlimitResource.Core, 0, 0)).RunAsync();
        Assert.Equal((code, signal), (result.Status.Code, result.Status.Signal));
    }

    [Fact]
    public async Task A_program_killed_by_its_filter_is_told_as_such()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.KillProcess, "sethostname");
        ContainerResult result = await Box.Builder("hostname", "x").WithSeccomp(filter).RunAsync();
        Assert.Equal((Signal.SIGSYS, true), (result.Status.Signal, result.KilledBySeccomp));
        result = await Box.Builder("hostname", "x").WithSeccomp(filter).WithDenialReport().RunAsync();
        Assert.Equal((true, true), (result.KilledBySeccomp, Assert.Single(result.Denials).IsFirstProcess));
    }

    [Fact]
    public async Task The_init_is_not_among_the_processes_that_limits_count()
    {
        Assert.SkipWhen(HostFacts.Current.Cgroups.Obstacle is not null, "needs a control group of the container's own");
        await using Container process = await Box.Builder("/bin/sleep", "1000").WithPidsMax(1).StartAsync();
        Assert.Equal([process.ProcessId], process.Cgroup!.ReadProcesses());
    }

    [Fact]
    public async Task Process_1_shows_nothing_of_the_host()
    {
        // None of these files asks for the right to trace: proc_pid_mountinfo(5), proc_pid_net(5).
        const string Compare = "for f in mountinfo net/dev net/route net/unix; do cmp /proc/1/$f /proc/self/$f || exit 1; done; "
            + "cat /proc/1/cmdline | tr -d '\\0'";
        Assert.Equal("isolation", await Box.Shell(Compare).OutputAsync());
        if (!Host.IsRoot)
            return;
        using var pool = new NetworkNamespacePool(2);
        Assert.Equal("isolation", await Box.Shell(Compare).WithNetworkPool(pool).WithLaunchForm(LaunchForm.Sealed).OutputAsync());
    }

    [Fact]
    public async Task What_the_program_leaves_behind_ends_with_it()
    {
        string marker = $"95{Random.Shared.Next(10_000_000)}";
        foreach (bool wait in new[] { false, true })
        {
            Container process = await Box.Shell($"setsid sleep {marker} & sleep 0.1; exit 4").StartAsync();
            ContainerResult result = wait ? process.Wait() : await process.WaitAsync();
            Assert.Equal((4, 0), (result.Status.Code, ContainerTests.Sleeping(marker)));
            await process.DisposeAsync();
        }
    }

    [Theory]
    [InlineData("INT", 130)]
    [InlineData("TERM", 143)]
    [InlineData("HUP", 129)]
    [InlineData("QUIT", 131)]
    public async Task A_signal_to_the_launcher_ends_the_command(string signal, int code) =>
        Assert.Equal(code, await SignalAsync(["sleep", "100"], signal));

    [Fact]
    public async Task A_hangup_that_the_caller_ignores_ends_nothing() =>
        Assert.Equal(143, await SignalAsync(["sleep", "100"], "nohup", "HUP", "TERM"));

    [Fact]
    public async Task A_second_interrupt_kills_a_command_that_ignores_the_first()
    {
        Assert.Equal(137, await SignalAsync(["sh", "-c", "trap '' INT; sleep 100; sleep 100"], "INT", "INT"));
        Assert.Equal(7, await SignalAsync(["sh", "-c", "trap 'exit 7' INT; while :; do sleep 0.1; done"], "INT"));
        // Who wants the old ways has to say so: process 1 ignores what it has no handler for.
        Assert.Equal(137, await SignalAsync(["--no-init", "sleep", "100"], "TERM", "INT", "INT"));
    }

    [Fact]
    public void A_caller_that_ignores_SIGCHLD_sees_the_end_all_the_same()
    {
        foreach (string[] flags in new[] { Array.Empty<string>(), ["--init"], ["--no-init"] })
        {
            (int code, string output) = Host.Run("sh", ["-c", "trap '' CHLD; exec timeout 20 dotnet \"$@\"", "sh", LauncherPath, "run",
                .. flags, "sh", "-c", "sed -n s/SigIgn:.//p /proc/self/status; true | true; exit 5"]);
            Assert.Equal((5, "0000000000000000\n"), (code, output));
        }
    }

    [Fact]
    public void A_host_that_forbids_executing_files_in_memory_is_told_with_the_remedy()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(File.Exists("/proc/sys/vm/memfd_noexec"), "needs Linux 6.3");
        // The setting is one of the PID namespace, which ends with the shell.
        (int code, string output) = Host.Run("unshare", "--pid", "--fork", "--mount-proc", "sh", "-c",
            "echo 2 > /proc/sys/vm/memfd_noexec && exec dotnet \"$@\" 2>&1", "sh", LauncherPath, "run", "true");
        Assert.Equal(125, code);
        ErrorTableTests.Check("the host forbids the execution of files in memory", output.Trim()["isolation: ".Length..]);
    }

    private static string LauncherPath => Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");

    private static ContainerBuilder Attacker(TemporaryDirectory directory, params string[] arguments)
    {
        Host.NeedsTool("gcc");
        string program = Path.Combine(directory.Path, "attack");
        (int code, string said) = Host.Run("gcc", "-w", "-O1", "-o", program, directory.Write("attack.c", Attack));
        Assert.True(code == 0, said);
        return Box.Builder(["/mnt/attack", .. arguments]).AddMount(new BindMount(directory.Path, "/mnt"));
    }

    /// <summary>Starts the launcher, sends it signals once the command runs, and returns its code.
    /// After "nohup" it was started with SIGHUP ignored.</summary>
    private static async Task<int> SignalAsync(string[] command, params string[] signals)
    {
        int at = command[0].StartsWith('-') ? 1 : 0;
        // The shell tells that it runs, and becomes the command.
        string[] told = [.. command[..at], "sh", "-c", "echo started; exec \"$@\"", "sh", .. command[at..]];
        // Whoever runs the tests may ignore some, as below nohup(1).
        string[] caller = signals[0] == "nohup" ? ["--ignore-signal=HUP"] : ["--default-signal=INT,TERM,HUP,QUIT"];
        var start = new ProcessStartInfo("env", [.. caller, "dotnet", LauncherPath, "run", .. told]) { RedirectStandardOutput = true };
        using Process launcher = Process.Start(start)!;
        Assert.Equal("started", await launcher.StandardOutput.ReadLineAsync());
        foreach (string signal in signals.Where(s => s != "nohup"))
        {
            await Task.Delay(300);
            Host.Run("kill", $"-{signal}", $"{launcher.Id}");
        }

        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await launcher.WaitForExitAsync(limit.Token);
        return launcher.ExitCode;
    }
}
