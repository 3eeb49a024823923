using System.Diagnostics;
using System.Globalization;
using Isolation.Containers;
using Isolation.Launcher;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>What docker's users expect of its flags; the sources are docker-run(1) and moby, or Podman where it says so.</summary>
public class LauncherHabitTests
{
    private static readonly string s_launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");

    /// <summary>Runs the flags in this process, as the launcher does, and gives the output.</summary>
    private static Task<string> Run(string flags, string script) =>
        RunFlags.Parse([.. flags.Split(' ', StringSplitOptions.RemoveEmptyEntries), "sh", "-c", script]).ToBuilder(HostFacts.Current)
            .OutputAsync();

    [Fact]
    public async Task The_ipc_namespace_of_another_brings_its_shared_memory()
    {
        // docker-container-run(1), --ipc: container:NAME joins another container's IPC namespace, its shared memory with it.
        await using Container other = await Box.Shell("echo theirs > /dev/shm/file; echo up; exec sleep 1000")
            .WithStandardOutput(Stdio.Pipe)
            .StartAsync();
        Assert.Equal("up", await new StreamReader(other.StandardOutput!).ReadLineAsync());
        string flag = $"--ipc container:{other.ProcessId}";
        Assert.Equal("theirs", await Run(flag, "cat /dev/shm/file; echo ours > /dev/shm/back"));
        Assert.Equal("ours", await Run(flag, "cat /dev/shm/back"));
        Assert.Equal("nosuid,nodev,noexec", await Run(flag, "grep ' /dev/shm ' /proc/mounts | grep -o 'nosuid,nodev,noexec'"));
        Assert.Equal("none", await Run("", "ls /dev/shm/file 2>/dev/null || echo none"));
        Assert.Equal("gone", await Run($"{flag} --tmpfs /dev/shm", "ls /dev/shm/file 2>/dev/null || echo gone"));
    }

    [Fact]
    public async Task The_hosts_ipc_namespace_brings_its_shared_memory()
    {
        string name = $"/dev/shm/isolation-test-{Environment.ProcessId}";
        Assert.SkipUnless(Directory.Exists("/dev/shm"), "needs /dev/shm");
        await File.WriteAllTextAsync(name, "the host's");
        try
        {
            Assert.Equal("the host's", await Run("--ipc host", $"cat {name}"));
        }
        finally
        {
            File.Delete(name);
        }
    }

    [Fact]
    public async Task Namespaces_of_a_container_are_joined_by_its_name()
    {
        Assert.SkipWhen(HostFacts.Current.Cgroups.Obstacle is not null, "needs control groups, by which names are found");
        string name = $"habit-{Environment.ProcessId}";
        await using Container other = await Box.Builder("/bin/sleep", "1000").WithName(name).StartAsync();
        foreach ((string flag, NamespaceKinds kind) in new[] { ("--pid", NamespaceKinds.Pid), ("--ipc", NamespaceKinds.Ipc) })
        {
            using Namespace expected = Namespace.Open(kind, other.ProcessId);
            Assert.Equal(expected.ToString(),
                await Run($"{flag} container:{name}", $"readlink /proc/self/ns/{kind.ToString().ToLowerInvariant()}"));
        }

        Assert.Contains("sleep 1000", await Run($"--pid container:{name}", "tr '\\0' ' ' < /proc/2/cmdline"));
    }

    [Theory]
    [InlineData("-v SRC:/opt/habit/file --tmpfs /opt/habit")]
    [InlineData("--tmpfs /opt/habit -v SRC:/opt/habit/file")]
    [InlineData("-v SRC:/opt/habit/file --tmpfs /opt --tmpfs /opt/habit/")]
    public async Task What_lies_below_a_mount_is_not_hidden_by_it(string flags)
    {
        // Sorted by the parts of the destination: "type mounts []container.Mount" of moby's daemon.
        using var directory = new TemporaryDirectory();
        string source = directory.Write("file", "seen");
        Assert.Equal("seen", await Run(flags.Replace("SRC", source), "cat /opt/habit/file"));
    }

    [Fact]
    public async Task A_tmpfs_has_the_owner_that_is_asked_for()
    {
        if (!Host.IsRoot)
            Box.NeedsRanges();
        string[] owner = (await Run("--tmpfs /run/own:uid=7,gid=8,mode=0710 --group-add 1", "stat -c '%u %g %a' /run/own")).Split(' ');
        Assert.Equal(["7", "8", "710"], owner);
    }

    [Fact]
    public async Task Every_signal_that_can_be_is_passed_on()
    {
        // docker-container-run(1), --sig-proxy: all but SIGCHLD, SIGSTOP and SIGKILL.
        string traps = string.Concat(SignalForwarding.Forwarded.Select(s => $"trap 'echo {(int)s}' {(int)s}; "));
        string[] words = [s_launcher, "run", "--init", "bash", "-c", traps + "sleep 1000 & echo ready; while :; do wait; done"];
        using Process launcher = Process.Start(new ProcessStartInfo(Host.Dotnet, words) { RedirectStandardOutput = true })!;
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        try
        {
            Assert.Equal("ready", await launcher.StandardOutput.ReadLineAsync(limit.Token));
            foreach (int signal in SignalForwarding.Forwarded)
            {
                Assert.Equal(0, Host.Run("kill", $"-{signal}", launcher.Id.ToString(CultureInfo.InvariantCulture)).Code);
                Assert.Equal(signal.ToString(CultureInfo.InvariantCulture), await launcher.StandardOutput.ReadLineAsync(limit.Token));
            }
        }
        finally
        {
            launcher.Kill();
            await launcher.WaitForExitAsync();
        }
    }

    private const string Settings = "cat /proc/sys/net/ipv4/ip_unprivileged_port_start; tr '\\t' ' ' < /proc/sys/net/ipv4/ping_group_range";
    private const string Dockers = "0\n0 2147483647";
    private const string Unmapped = "0\n65534 65534"; // the kernel's default, a group that is not mapped: user_namespaces(7)

    private static string Hosts => File.ReadAllText("/proc/sys/net/ipv4/ip_unprivileged_port_start")
        + File.ReadAllText("/proc/sys/net/ipv4/ping_group_range").Replace('\t', ' ').TrimEnd();

    [Fact]
    public async Task Others_than_root_may_use_low_ports_and_ping_in_a_network_of_their_own()
    {
        Assert.Equal(Host.IsRoot ? Dockers : Unmapped, await Run("", Settings));
        // Groups of the host are not mapped in an ordinary user's container.
        Assert.Equal(Host.IsRoot ? Hosts : Hosts.Split('\n')[0] + Unmapped[1..], await Run("--network host", Settings));
        // What is asked for holds; the kernel's defaults are 1024 and "1 0": ip-sysctl of the kernel's documentation.
        string ping = Host.IsRoot ? " --sysctl net.ipv4.ping_group_range=1\t0" : "";
        Assert.Equal(Host.IsRoot ? "1024\n1 0"
            : Unmapped.Replace("0\n", "1024\n"), await Run("--sysctl net.ipv4.ip_unprivileged_port_start=1024" + ping, Settings));
        await using Container other = await Box.Builder("/bin/sleep", "1000")
            .AddSysctl("net.ipv4.ip_unprivileged_port_start", "77").StartAsync();
        Assert.StartsWith("77\n", await Run($"--network container:{other.ProcessId}", Settings));
        if (!Host.IsRoot)
            return;
        Assert.Equal(Unmapped, await Run("--userns 0:100000:65536", Settings));
        using (var pool = new NetworkNamespacePool(1))
            Assert.Equal(Dockers, await Box.Shell(Settings).WithNetworkPool(pool).OutputAsync());
        // No proc of its own is needed: the host's is looked at from outside.
        await using Container bare = await Box.Builder("/bin/sleep", "1000").WithMounts(new DevMount()).WithMaskedPaths()
            .WithReadOnlyPaths()
            .StartAsync();
        string process = bare.ProcessId.ToString(CultureInfo.InvariantCulture);
        Assert.Equal((0, Dockers + "\n"), Host.Run("nsenter", "-t", process, "-n", "sh", "-c", Settings));
    }

    [Fact]
    public async Task Another_user_than_root_has_the_capabilities_that_are_added_and_no_others()
    {
        // Podman's security_linux.go: those of --cap-add become ambient for other users; docker-run(1) bounds only.
        const string Sets = "sed -nE 's/^Cap(Bnd|Eff|Amb):\\t0*/\\1 /p' /proc/self/status | tr '\\n' ' '";
        Assert.Equal("Eff  Bnd a80425fb Amb", (await Run("-u 33:33", Sets)).TrimEnd());
        Assert.Equal("Eff 1000 Bnd a80435fb Amb 1000", (await Run("-u 33:33 --cap-add NET_ADMIN", Sets)).TrimEnd());
        Assert.Equal("Eff 400 Bnd 400 Amb 400", (await Run("-u 33:33 --cap-drop ALL --cap-add NET_BIND_SERVICE", Sets)).TrimEnd());
        Assert.Equal("Eff a80435fb Bnd a80435fb Amb", (await Run("-u 00 --cap-add NET_ADMIN", Sets)).TrimEnd());
    }

    [Fact]
    public async Task A_privileged_container_has_the_hosts_devices_and_writable_kernel_directories()
    {
        // docker-container-run(1), --privileged: all devices of the host; /sys and its control groups are writable (WithMounts of moby).
        const string List = "cd /dev; find . -xdev \\( -type c -o -type b \\) ! -name console ! -name ptmx ! -path './pts/*' "
            + "-exec stat -c '%n %t:%T' {} + | sort";
        // Inside they are mounts of files, which find goes by the files below.
        string[] inside = (await Run("--privileged", "cd /dev; find . ! -type d ! -type l -exec stat -c '%n %t:%T' {} + | sort"))
            .Split('\n');
        Assert.Empty(Host.Run("sh", "-c", List).Output.TrimEnd('\n').Split('\n').Except(inside));
        const string Mounts = "awk '$2 ~ \"^/sys(/fs/cgroup)?$\" { print $2, substr($4, 1, 2) }' /proc/mounts";
        string flags = await Run("--privileged", Mounts);
        Assert.Equal(HostFacts.Current.Cgroups.Hierarchies.V2 is null ? "/sys rw" : "/sys rw\n/sys/fs/cgroup rw", flags);
        Assert.DoesNotContain("rw", await Run("", Mounts));
    }

    [Fact]
    public void Each_container_of_userns_auto_has_ids_of_its_own_and_a_user_those_that_are_granted()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        // podman-run(1), --userns auto, whose ids are those of "containers" in /etc/subuid; dockerd(8), --userns-remap USER.
        string grants = directory.Write("grants", "other:1:65536\ncontainers:2000000:131072\nremapped:700000:1000\nremapped:800000:2000\n");
        string Shell(string script) => Host.Run("unshare", "-m", "sh", "-c",
            "mkdir -p /run/isolation; mount -t tmpfs none /run/isolation; "
            + $"mount --bind {grants} /etc/subuid; mount --bind {grants} /etc/subgid; "
            + $"run() {{ dotnet {s_launcher} run \"$@\"; }}; {script}").Output;
        const string Map = "sh -c 'echo $(cat /proc/self/uid_map)'";
        // The second starts while the first holds its range, and reads its own; the third finds none left.
        string end = directory.Path + "/end", first = directory.Path + "/first";
        string[] lines = Shell($"mkfifo {end}; (run --userns auto sh -c 'echo $(cat /proc/self/uid_map); cat' < {end}) > {first} & "
            + $"exec 9> {end}; while ! [ -s {first} ]; do sleep 0.05; done; cat {first}; "
            + $"run --userns auto {Map}; exec 9>&-; wait; run --userns remapped {Map}; run --userns nobody-here true").Split('\n');
        Assert.Equal(["0 2000000 65536", "0 2065536 65536", "0 700000 1000 1000 800000 2000"], lines[..3]);
        Assert.StartsWith("isolation: The flag --userns: \"nobody-here\" is granted no ids in /etc/subuid", lines[3]);
    }

    [Fact]
    public void The_port_that_was_chosen_is_told()
    {
        Host.NeedsRoot();
        using var host = new Net.NetworkHost();
        Assert.Matches("^isolation: published [1-9][0-9]{3,4}:80/tcp\\.$",
            host.LaunchOutput("run", "--network", "web", "-p", "80", "true"));
        Assert.DoesNotContain("published", host.LaunchOutput("run", "--network", "web", "-p", "8080:80", "true"));
    }
}
