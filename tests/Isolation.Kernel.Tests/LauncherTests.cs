using System.Diagnostics;
using Isolation.Containers;

namespace Isolation.Kernel.Tests;

/// <summary>The command line, as a person uses it.</summary>
public class LauncherTests
{
    private static (int Code, string Output) Launcher(params string[] arguments) =>
        Host.Run(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), .. arguments]);

    [Fact]
    public void The_readmes_command_shows_what_is_isolated()
    {
        (int code, string output) = Launcher("run", "sh", "-c", "echo \"process $$ on $(hostname), links: $(ls /sys/class/net)\"; "
            + "echo processes: /proc/[0-9]*; grep -E 'CapEff|NoNewPrivs' /proc/self/status; touch /written && ls /written");
        Assert.Equal(
            (0, "process 2 on container, links: lo\nprocesses: /proc/1 /proc/2\nCapEff:\t00000000a80425fb\nNoNewPrivs:\t1\n/written\n"),
            (code, output));
        Assert.False(File.Exists("/written"));
    }

    [Fact]
    public void Signals_that_the_launchers_parent_has_it_ignore_are_not_ignored_inside()
    {
        (int code, string output) = Host.Run("sh", "-c", "trap '' HUP INT QUIT PIPE USR1; exec dotnet \"$@\"", "sh",
            Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", "sed", "-n", "s/SigIgn:.//p", "/proc/self/status");
        Assert.Equal((0, "0000000000000000\n"), (code, output));
    }

    [Theory]
    [InlineData(7, "sh", "-c", "exit 7")]
    [InlineData(127, "no-such-command")]
    [InlineData(126, "/etc/passwd")]
    [InlineData(143, "--init", "sh", "-c", "kill -TERM $$")]
    [InlineData(137, "--timeout", "0.3", "sleep", "100")]
    [InlineData(125, "--hostname")]
    [InlineData(125, "--publish", "80:80", "true")]
    [InlineData(125, "--rootfs", "/no/such/root", "true")]
    [InlineData(125)]
    public void Exit_codes_are_dockers(int expected, params string[] arguments) =>
        Assert.Equal(expected, Launcher(["run", .. arguments]).Code);

    [Fact]
    public void Flags_arrive()
    {
        using var directory = new TemporaryDirectory();
        string source = directory.Write("file", "volume");
        (int code, string output) = Launcher("run", "--hostname", "h", "-e", "A=1", "--env=B=2", "-w", "/run/new", "--tmpfs",
            "/run:size=64k,mode=755", "-v", $"{source}:/run/f:ro", "--ulimit", "nofile=33:44",
            "--cap-drop", "ALL", "--cap-add", "kill", "--device", "/dev/zero:/run/zero", "--sysctl", "net.ipv4.ip_forward=1",
            "--oom-score-adj", "7", "--read-only", "-i", "--rm", "--",
            "sh", "-c", "hostname; echo $A$B; pwd; cat /run/f; echo; ulimit -n; sed -n 's/CapEff:.//p' /proc/self/status; head -c 2 "
                + "/run/zero | wc -c; cat /proc/sys/net/ipv4/ip_forward /proc/self/oom_score_adj; touch /x 2>&1 | grep -c Read-only");
        Assert.Equal((0, "h\n12\n/run/new\nvolume\n33\n0000000000000020\n2\n1\n7\n1\n"), (code, output));
    }

    [Fact]
    public void A_directory_is_a_throw_away_root_unless_asked_otherwise()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        string[] programs = [.. new[] { "/usr", "/lib", "/lib64", "/bin" }
            .Where(d => new DirectoryInfo(d) is { Exists: true, LinkTarget: null }).SelectMany(d => new[] { "-v", $"{d}:{d}:ro" })];
        Assert.Equal(0, Launcher(["run", "--rootfs", root, .. programs, "sh", "-c", "echo x > /made"]).Code);
        Assert.False(File.Exists(Path.Combine(root, "made")));
        Assert.Equal(0, Launcher(["run", "--rootfs", root + ":rw", .. programs, "sh", "-c", "echo x > /made"]).Code);
        Assert.True(File.Exists(Path.Combine(root, "made")));
    }

    [Fact]
    public void Users_and_namespaces_can_be_chosen()
    {
        Assert.Equal((0, "33:33\n"), Launcher("run", "-u", "www-data", "sh", "-c", "echo $(id -u):$(id -g)"));
        using Namespaces.Namespace net = Namespaces.Namespace.OpenCurrent(Namespaces.NamespaceKinds.Net);
        Assert.Equal((0, $"{net}\n"), Launcher("run", "--net", "host", "readlink", "/proc/self/ns/net"));
        Assert.Equal(125, Launcher("run", "--net", "macvlan", "true").Code);
        if (Host.IsRoot)
            Assert.Equal((0, "0 100000 65536\n"),
                Launcher("run", "--userns", "0:100000:65536", "sh", "-c", "echo $(cat /proc/self/uid_map)"));
    }

    [Fact]
    public async Task Another_containers_network_can_be_joined_by_process_id()
    {
        await using Container other = await Box.Builder("/bin/sleep", "1000").StartAsync();
        using Namespaces.Namespace net = Namespaces.Namespace.Open(Namespaces.NamespaceKinds.Net, other.ProcessId);
        Assert.Equal((0, $"{net}\n"), Launcher("run", "--net", $"container:{other.ProcessId}", "readlink", "/proc/self/ns/net"));
    }

    [Fact]
    public void Privileged_means_that_nothing_is_masked()
    {
        (int code, string output) = Launcher("run", "--privileged", "sh", "-c",
            "grep -c NoNewPrivs:.0 /proc/self/status; awk '$5 ~ \"^/proc/\"' /proc/self/mountinfo | wc -l");
        Assert.Equal((0, "1\n0\n"), (code, output));
    }

    [Fact]
    public void A_plan_is_printed_and_nothing_is_started()
    {
        (int code, string output) = Launcher("run", "--plan", "no-such-command");
        Assert.Equal(0, code);
        Assert.Contains("child  mount proc on \"/proc\"", output);
        Assert.Contains("fsopen(\"proc\", FSOPEN_CLOEXEC)", output);
        Assert.Contains("execute \"no-such-command\"", output);
    }

    [Fact]
    public void Doctor_ends_with_a_real_container()
    {
        (int code, string output) = Launcher("doctor");
        Assert.Equal(0, code);
        Assert.Contains("ok    a container       started and ended", output);
        Assert.Contains("user namespaces", output);
    }

    [Fact]
    public void Help_lists_every_flag()
    {
        (int code, string output) = Launcher("help");
        Assert.Equal(0, code);
        foreach (string flag in new[]
        {
            "--rootfs",
            "--read-only",
            "--volume",
            "--tmpfs",
            "--hostname",
            "--user",
            "--userns",
            "--ipc",
            "--pid",
            "--net",
            "--cap-add",
            "--cap-drop",
            "--privileged",
            "--security-opt",
            "--device",
            "--init",
            "--env",
            "--workdir",
            "--ulimit",
            "--timeout",
            "--tty",
            "--plan"
        })
            Assert.Contains(flag, output);
        Assert.Equal(125, Launcher("frobnicate").Code);
    }

    [Fact]
    public async Task A_signal_to_the_launcher_reaches_the_command()
    {
        var start = new ProcessStartInfo(Host.Dotnet, [Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", "sh", "-c",
            "trap 'echo caught; exit 3' TERM; echo ready; while :; do sleep 0.05; done"])
        { RedirectStandardOutput = true };
        using Process launcher = Process.Start(start)!;
        Assert.Equal("ready", await launcher.StandardOutput.ReadLineAsync());
        Assert.Equal(0, Host.Run("kill", "-TERM", launcher.Id.ToString()).Code);
        Assert.Equal("caught", await launcher.StandardOutput.ReadLineAsync());
        await launcher.WaitForExitAsync();
        Assert.Equal(3, launcher.ExitCode);
    }

    [Fact]
    public void Output_of_a_terminal_is_added_to_a_file_that_others_write_too()
    {
        using var directory = new TemporaryDirectory();
        string launcher = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")}",
            file = Path.Combine(directory.Path, "out");
        Assert.Equal(0, Host.Run("sh", "-c", $"(echo before; {launcher} run -t echo inside; echo after) > {file}").Code);
        Assert.Equal("before\ninside\r\nafter\n", File.ReadAllText(file));
    }

    [Fact]
    public async Task A_terminal_has_job_control_and_follows_the_window()
    {
        // script(1) gives the launcher a terminal of its own; the shell inside gets the container's.
        Host.NeedsTool("script");
        string command = $"stty rows 40 cols 120; dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")} run -t sh -i";
        var start = new ProcessStartInfo("script", ["-qec", command, "/dev/null"])
        { RedirectStandardInput = true, RedirectStandardOutput = true };
        using Process script = Process.Start(start)!;
        var output = new System.Text.StringBuilder();
        Task reading = Task.Run(() =>
        {
            int c;
            while ((c = script.StandardOutput.Read()) >= 0)
            {
                lock (output)
                    output.Append((char)c);
            }
        });
        bool Seen(string text)
        {
            lock (output)
                return output.ToString().Contains(text);
        }

        async Task TypeAsync(string text)
        {
            await script.StandardInput.WriteAsync(text);
            await script.StandardInput.FlushAsync();
        }

        await ContainerTests.WaitFor(() => Seen("# ") || Seen("$ "));
        await TypeAsync("stty size; tty\n");
        await ContainerTests.WaitFor(() => Seen("40 120") && Seen("/dev/pts/0"));
        await TypeAsync("sleep 1000; echo rc=$?\n");
        await Task.Delay(300);
        await TypeAsync("\u0003"); // control-C ends the job, not the shell
        await ContainerTests.WaitFor(() => Seen("^C"));
        await TypeAsync("\nsleep 1000\n");
        await Task.Delay(300);
        await TypeAsync("\u001a"); // control-Z stops it
        await ContainerTests.WaitFor(() => Seen("Stopped"));
        await TypeAsync("\nexit\nexit\n");
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        await script.WaitForExitAsync(limit.Token);
        await reading;
    }

    [Fact]
    public void Filters_are_compiled_explained_and_listed()
    {
        using var directory = new TemporaryDirectory();
        string profile = directory.Write("profile.json", """{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["sync"],"""
            + """ "action": "SCMP_ACT_KILL_PROCESS"}, {"names": ["mkdir", "mkdirat"], "action": "SCMP_ACT_ERRNO", "errnoRet": 30}]}""");
        string program = Path.Combine(directory.Path, "program");
        (int code, string output) = Launcher("seccomp", "compile", profile, "--arch", "x86_64", "-o", program);
        Assert.True(code == 0, output);
        Assert.Contains("instructions for X64", output);
        Assert.Equal(0, new FileInfo(program).Length % 8);
        (code, output) = Launcher("seccomp", "disasm", program);
        Assert.Equal((0, true),
            (code, output.StartsWith("   0: A = architecture", StringComparison.Ordinal) && output.Contains("return errno(EROFS)")));
        Assert.Contains("errno(EPERM). The rule \"ioctl if", Launcher("seccomp", "explain", "default", "ioctl", "0", "0x5412").Output);
        Assert.Contains("mkdir(0, 511, 0, 0, 0, 0): errno(EROFS)",
            Launcher("seccomp", "explain", profile, "--arch=amd64", "mkdir", "0", "511").Output);
        foreach (string[] wrong in new string[][] { ["seccomp"], ["seccomp", "make"], ["seccomp", "compile"],
            ["seccomp", "compile", "/missing"], ["seccomp", "compile", program], ["seccomp", "compile", profile, "--arch", "vax"],
            ["seccomp", "compile", profile, "--cap", "x"], ["seccomp", "explain", "default", "no_such_call"],
            ["seccomp", "explain", "default", "read", "x"], ["seccomp", "disasm", profile], ["inspect"], ["inspect", "x"],
            ["inspect", "999999999"], ["learn", "--runs", "0", "true"] })
        {
            (code, output) = Launcher(wrong);
            Assert.True(code == 125 && output.StartsWith("isolation: ", StringComparison.Ordinal) && !output.Contains("   at "),
                $"{string.Join(' ', wrong)}: {code} {output}");
        }
    }

    [Fact]
    public void Refused_calls_and_learnt_profiles_are_told()
    {
        using var directory = new TemporaryDirectory();
        string profile = Path.Combine(directory.Path, "learnt.json");
        (int code, string output) = Launcher("learn", "-o", profile, "--", "cat", "/etc/hostname");
        Assert.True(code == 0 && output.Contains("read /etc/hostname\n"), output);
        Assert.Equal(0, Launcher("run", "--security-opt", "seccomp=" + profile, "cat", "/etc/hostname").Code);
        (code, output) = Launcher("run", "--security-opt", "seccomp=" + profile, "mkdir", "/tmp/x");
        Assert.True(code != 0 && output.Contains("isolation: the seccomp filter refused "), output);
        (code, output) = Launcher("run", "--security-opt", "seccomp-report=off", "unshare", "--net", "true");
        Assert.True(code != 0 && !output.Contains("isolation:"), output);
        (code, output) = Launcher("run", "--security-opt", "seccomp=unconfined", "grep", "Seccomp:", "/proc/self/status");
        Assert.Equal("Seccomp:\t0\n", output);
        (code, output) = Launcher("run", "--security-opt", "landlock=rx:/usr,rx:/lib,rx:/etc", "--security-opt",
            "landlock=rw:/tmp,rw:/dev/null", "sh", "-c", "cat /etc/hostname >/tmp/x && echo fine; ls /root 2>/dev/null || echo no");
        Assert.Equal("fine\nno\n", output);
        Assert.Contains("is none of no-new-privileges", Launcher("run", "--security-opt", "nonsense", "true").Output);
        Assert.Contains("capabilities, effective: ", Launcher("inspect", Environment.ProcessId.ToString()).Output);
    }
}
