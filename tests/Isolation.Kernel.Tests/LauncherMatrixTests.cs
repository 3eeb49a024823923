using System.Diagnostics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Isolation.Containers;
using Isolation.Launcher;

namespace Isolation.Kernel.Tests;

/// <summary>Every flag of run in every mode: what is seen of the container from outside has what the flag says, and has it not without the
/// flag; or the flag is refused by its name. A flag without a difference is ignored, which fails.</summary>
public class LauncherMatrixTests
{
    /// <summary>A flag as it is tried.</summary>
    /// <param name="Words">The flag with its value, or several words.</param>
    /// <param name="Section">Where it shows: a section of <see cref="Observation"/>.</param>
    /// <param name="Expected">A pattern that is found there with the flag, and not without.</param>
    /// <param name="Base">Flags that both have.</param>
    private sealed record Case(string Words, string Section, string Expected, string Base = "");

    /// <summary>A port that nobody has; the launcher would hold one that it chose itself.</summary>
    private static ushort FreePort()
    {
        using var listener = new System.Net.Sockets.TcpListener(System.Net.IPAddress.Any, 0);
        listener.Start();
        return (ushort)((System.Net.IPEndPoint)listener.LocalEndpoint).Port;
    }

    private static readonly TimeSpan s_limit = TimeSpan.FromMinutes(1);

    private static Case[] Cases(string network, string directory, string? device, int port)
    {
        IEnumerable<string> own = new[] { "/usr", "/lib", "/lib64", "/bin" }.Where(d =>
            new DirectoryInfo(d) is { Exists: true, LinkTarget: null });
        string programs = string.Concat(own.Select(d => $" -v {d}:{d}:ro"));
        string throttled = device ?? "/dev/no-block-device";
        return
        [
            new($"--rootfs {directory}/root", "marker", "here", programs),
            new("--read-only", "mounts", "(?m)^/ ro"),
            new("-v /etc/passwd:/opt/file:ro", "mounts", "(?m)^/opt/file ro"),
            new("--tmpfs /opt:size=64k", "mounts", "(?m)^/opt .* tmpfs .*size=64k"),
            new("--device /dev/zero:/dev/other", "mounts", "(?m)^/dev/other "),
            // To be read by its flag, and to be written by the rule.
            new("--device-cgroup-rule|c 10:229 rw", "opens", "allowed", Host.IsRoot ? "--device /dev/fuse:/dev/fuse:r" : ""),
            new("-m 64m", "cgroup", @"(?m)^memory\.(max|limit_in_bytes) 67108864$"),
            new("--memory-swap 96m", "cgroup", @"(?m)^memory\.(swap\.max 33554432|memsw\.limit_in_bytes 100663296)$", "-m 64m"),
            new("--memory-reservation 32m", "cgroup", @"(?m)^memory\.(low|soft_limit_in_bytes) 33554432$"),
            new("--memory-high 32m", "cgroup", @"(?m)^memory\.high 33554432$"),
            new("--cpus 0.5", "cgroup", @"(?m)^cpu\.(max 50000 100000|cfs_quota_us 50000)$"),
            new("--cpu-period 50000", "cgroup", @"(?m)^cpu\.(max 20000 50000|cfs_period_us 50000)$", "--cpu-quota 20000"),
            new("--cpu-quota 20000", "cgroup", @"(?m)^cpu\.(max 20000 100000|cfs_quota_us 20000)$"),
            new("-c 512", "cgroup", @"(?m)^cpu\.(shares 512|weight (20|59))$"),
            new("--cpuset-cpus 0", "cgroup", @"(?m)^cpuset\.cpus 0$"),
            // There may be one node only, which all have: one that is not there is refused.
            new("--cpuset-mems 63", "refusal", "cpuset"),
            new("--pids-limit 77", "cgroup", @"(?m)^pids\.max 77$"),
            // Version 2's weight (runc: 1 + (500 - 10) * 9999 / 990), which the library brings to BFQ's scale.
            new("--blkio-weight 500", "cgroup", @"(?m)^(blkio|io)\.(bfq\.)?weight( default)? (500|540|4950)$"),
            new($"--device-read-bps {throttled}:1m", "cgroup", @"(?m)^(blkio\.throttle\.read_bps_device \S+|io\.max .*rbps=) ?1048576"),
            new($"--device-write-bps {throttled}:1m", "cgroup", @"(?m)^(blkio\.throttle\.write_bps_device \S+|io\.max .*wbps=) ?1048576"),
            new($"--device-read-iops {throttled}:99", "cgroup", @"(?m)^(blkio\.throttle\.read_iops_device \S+|io\.max .*riops=) ?99"),
            new($"--device-write-iops {throttled}:99", "cgroup", @"(?m)^(blkio\.throttle\.write_iops_device \S+|io\.max .*wiops=) ?99"),
            new($"--name matrix-{Environment.ProcessId}", "group", $"/isolation-matrix-{Environment.ProcessId}"),
            new("-h matrix", "uts", "matrix"),
            new("-u 33:33", "user", @"Uid:\t(33|100033)\t|(?m)^ +33 "),
            new("--group-add 44", "user", $@"Groups:\t(.* )?(44|100044|{HostFacts.Current.SubGroupIds.FirstOrDefault().Start + 43}) "),
            new(Host.IsRoot ? "--userns 0:100000:65536" : "--userns host", "user", "100000 +65536"),
            new("--ipc host", "namespaces", "(?m)^ipc host"),
            new("--pid host", "namespaces", "(?m)^pid host"),
            new(network == "host" ? "--net none" : "--net host", "namespaces", network == "host" ? "(?m)^net own" : "(?m)^net host"),
            new($"-p {port}:80", "listening", $"(?m)^{port}$"),
            new("--ip 192.0.2.77", "net", "192.0.2.77"),
            new("--mac-address 02:00:00:00:00:77", "net", "02:00:00:00:00:77"),
            new("--network-alias matrix", "hosts", "matrix"),
            new("--dns 192.0.2.53", "resolver", "nameserver 192.0.2.53"),
            new("--dns-search matrix.example", "resolver", "search .*matrix.example"),
            new("--dns-option ndots:7", "resolver", "options .*ndots:7"),
            new("--add-host matrix:192.0.2.9", "hosts", @"192\.0\.2\.9\s+matrix"),
            new("--net-egress 10mbit", "traffic", "10Mbit"),
            new("--net-ingress 10mbit", "traffic", "10Mbit"),
            new("--egress-allow 192.0.2.0/24", "filter", @"192\.0\.2\.0/24"),
            new("--cap-add NET_ADMIN", "status", "CapBnd:\t0+a80435fb"),
            new("--cap-drop KILL", "status", "CapBnd:\t0+a80425db"),
            new("--privileged", "status", "NoNewPrivs:\t0"),
            new("--security-opt no-new-privileges=false", "status", "NoNewPrivs:\t0"),
            new("--security-opt seccomp=unconfined", "status", "Seccomp:\t0"),
            new("--sysctl net.ipv4.ip_default_ttl=77", "sysctl", "ip_default_ttl 77"),
            new("--ulimit nofile=33:44", "limits", @"Max open files +33 +44"),
            new("--oom-score-adj 777", "oom", "777"),
            new("-e MATRIX=seen", "environment", "MATRIX=seen"),
            new("-w /opt", "directory", "^/opt$"),
            new("--init=false", "status", @"NSpid:\t\d+(\t\d+)*\t1\n"),
            new("--no-init", "status", @"NSpid:\t\d+(\t\d+)*\t1\n"),
            new("-t", "input", "^/dev/pts/"),
            new("-i=false", "given", "^/dev/null"),
            new("--rm=false", "refusal", "--rm"),
            new("--timeout 0.2", "end", "timed out"),
            new("--cpu-time-max 0.2", "told", @"killed after 0\.2 s of CPU time"),
            new("--output-max 1k", "told", @"killed after 1\.0 KiB of output"),
            new("--plan", "printed", "execute \"true\""),
            new("--times", "printed", @"\d us|\d ms"),
            .. RunFlags.All.OfType<RefusedFlag>().Select(f => new Case(f.AllNames[0], "refusal", "known but not built yet")),
        ];
    }

    public static TheoryData<string> Modes => new("none", "host", "pasta", "userns");

    [Theory]
    [MemberData(nameof(Modes))]
    public async Task Every_flag_makes_a_difference_or_is_refused_by_name(string mode)
    {
        Assert.SkipWhen(mode == "userns" && !Host.IsRoot, "an ordinary user has a user namespace always");
        Assert.SkipWhen(mode == "pasta" && (Host.IsRoot || Host.FindTool("pasta") is null || !CanOpenTun()),
            "needs pasta, and an ordinary user who may open /dev/net/tun");
        using var directory = new TemporaryDirectory();
        Box.MakeRoot(directory);
        directory.Write("root/marker", "");
        Case[] cases = Cases(mode, directory.Path, BlockDevice(), FreePort());
        // The table is the program's: a new flag is missing here until it is tried.
        string[] tried = [.. cases.Select(c => c.Words.Split(' ', '=', '|')[0])];
        Assert.Empty(RunFlags.All.Where(f => !f.AllNames.Any(tried.Contains)).Select(f => f.Names));

        string[] inMode = mode switch { "userns" => ["--userns", "0:100000:65536"], "none" => [], _ => ["--network", mode] };
        var matrix = new StringBuilder();
        var ignored = new List<string>();
        var without = new Dictionary<string, Observation>();
        // The container's root is another user of the host there, to whom its devices may be closed.
        const UnixFileMode Others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        bool others = File.Exists("/dev/fuse") && File.GetUnixFileMode("/dev/fuse").HasFlag(Others);
        string[] left = mode != "userns" ? [] : others ? ["--userns"] : ["--userns", "--device-cgroup-rule"];
        foreach (Case one in cases.Where(c => !left.Any(l => c.Words.StartsWith(l, StringComparison.Ordinal))))
        {
            string[] common = [.. inMode, .. one.Base.Split(' ', StringSplitOptions.RemoveEmptyEntries)];
            string key = $"{one.Base} {(Observation.IsLive(one.Section) ? "" : one.Section)}";
            if (!without.TryGetValue(key, out Observation? plain))
                without[key] = plain = await Observation.TakeAsync(one.Section, one.Section == "refusal" ? [] : common);
            string[] words = one.Words.Split(one.Words.Contains('|') ? '|' : ' ');
            Observation with = await Observation.TakeAsync(one.Section, [.. common, .. words]);
            string answer = Judge(one, plain, with);
            matrix.Append(CultureInfo.InvariantCulture, $"{one.Words,-44} {answer.TrimEnd()}\n");
            if (answer.StartsWith("IGNORED", StringComparison.Ordinal))
                ignored.Add($"{one.Words}: {answer}");
        }

        string who = Host.IsRoot ? "root" : "an ordinary user";
        TestContext.Current.TestOutputHelper?.WriteLine($"{who}, {mode}, {HostFacts.Current.Cgroups.Mode}\n{matrix}");
        Assert.True(ignored.Count == 0, $"{string.Join('\n', ignored)}\n\n{matrix}");
    }

    private static string Judge(Case one, Observation plain, Observation with)
    {
        string name = one.Words.Split(' ', '=', '|')[0];
        if (plain.Refusal is { } refused && one.Base.Length > 0)
            return $"refused with {one.Base}: {refused}";
        if (with.Refusal is { } refusal)
        {
            bool isNamed = Regex.IsMatch(refusal, $"(?<![-a-z]){name}(?![-a-z])");
            return (isNamed || (one.Section == "refusal" && Regex.IsMatch(refusal, one.Expected)) ? "refused: "
                : "IGNORED, another refusal: ") + refusal;
        }

        if (!Regex.IsMatch(with[one.Section], one.Expected))
            return $"IGNORED: no {one.Expected} in {one.Section}: {with[one.Section]}";
        return plain.Refusal is null && Regex.IsMatch(plain[one.Section], one.Expected)
            ? $"IGNORED: {one.Expected} is in {one.Section} without it" : $"shown in {one.Section}";
    }

    private static bool CanOpenTun()
    {
        try
        {
            using Microsoft.Win32.SafeHandles.SafeFileHandle file = File.OpenHandle("/dev/net/tun", FileMode.Open, FileAccess.ReadWrite);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    private static string? BlockDevice() => !Directory.Exists("/sys/block") ? null
        : Directory.GetDirectories("/sys/block").Select(d => Path.GetFileName(d)!)
        .Where(n => File.ReadAllText($"/sys/block/{n}/size").Trim() != "0" && File.Exists("/dev/" + n))
        .Select(n => "/dev/" + n).Order().LastOrDefault();

    /// <summary>What is seen of a container, by sections; or why there is none.</summary>
    private sealed class Observation
    {
        private static readonly string[] s_ends = ["max", "low", "high", "weight", "shares", "_us", "cpus", "_bytes", "_device"];

        private readonly Dictionary<string, string> _sections = [];
        private readonly int _process;

        private Observation(int process) => _process = process;

        internal string? Refusal { get; private init; }

        internal string this[string section]
        {
            get => _sections.TryGetValue(section, out string? known) ? known : "";
            private set => _sections[section] = value;
        }

        /// <summary>Whether a section is read of a container that runs on.</summary>
        internal static bool IsLive(string section) => section is not ("opens" or "given" or "told" or "end" or "printed" or "refusal");

        internal static async Task<Observation> TakeAsync(string section, string[] flags)
        {
            if (section is "refusal" && flags.Length == 0)
                return new(0);
            if (section is "printed")
                return Printed([.. flags, "true"]);
            if (section is "given")
            {
                string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
                return new(0) { ["given"] = Host.Run(Host.Dotnet, [launcher, "run", .. flags, "readlink", "/proc/self/fd/0"]).Output };
            }

            if (section is "told")
            {
                string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
                const string Busy = "while :; do :; done & sleep 1; kill $!; head -c 2048 /dev/zero | tr '\\0' x";
                (int code, string said) = Host.Run(Host.Dotnet, [launcher, "run", .. flags, "sh", "-c", Busy]);
                return code == Isolation.Launcher.Program.Failed ? new(0) { Refusal = said } : new(0) { ["told"] = said };
            }

            string[] command = section switch
            {
                "opens" => ["sh", "-c", "[ -c /dev/fuse ] && ! sh -c ': >> /dev/fuse' 2>&1 | grep -q 'not permitted'"],
                "end" => ["sleep", "2"],
                _ => ["sleep", "1000"],
            };
            try
            {
                LaunchPlan plan = RunFlags.Parse([.. flags, .. command]).MakePlan();
                await using Container process = plan.Start();
                var seen = new Observation(process.ProcessId);
                if (IsLive(section))
                {
                    seen.Read();
                    return seen;
                }

                ContainerResult result = await process.WaitAsync().WaitAsync(s_limit);
                seen["end"] = result.TimedOut ? "timed out" : "";
                seen["opens"] = result.Status.Code == 0 ? "allowed" : "";
                return seen;
            }
            catch (Exception e) when (Failure.IsExpected(e))
            {
                return new(0) { Refusal = Failure.Reason(e) };
            }
        }

        private static Observation Printed(string[] words)
        {
            using var text = new StringWriter();
            try
            {
                StandardStreams.Output = text;
                StandardStreams.Error = text;
                Program.RunAsync(["run", .. words]).GetAwaiter().GetResult();
                return new(0) { ["printed"] = text.ToString() };
            }
            finally
            {
                StandardStreams.Output = null;
                StandardStreams.Error = null;
            }
        }

        private void Read()
        {
            string proc = $"/proc/{_process}";
            this["status"] = File.ReadAllText(proc + "/status");
            this["limits"] = File.ReadAllText(proc + "/limits");
            IEnumerable<string> ids = this["status"].Split('\n').Where(l => l.StartsWith("Uid:", StringComparison.Ordinal)
                || l.StartsWith("Groups:", StringComparison.Ordinal));
            this["user"] = string.Join('\n', ids) + "\n" + File.ReadAllText(proc + "/uid_map");
            this["environment"] = File.ReadAllText(proc + "/environ").Replace('\0', '\n');
            this["oom"] = File.ReadAllText(proc + "/oom_score_adj").Trim();
            this["directory"] = Link(proc + "/cwd");
            this["input"] = Link(proc + "/fd/0");
            this["marker"] = File.Exists(proc + "/root/marker") ? "here" : "";
            this["hosts"] = ReadInside("/etc/hosts");
            this["resolver"] = ReadInside("/etc/resolv.conf");
            this["group"] = File.ReadAllText(proc + "/cgroup");
            this["cgroup"] = Limits();
            // 36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue: proc_pid_mountinfo(5)
            this["mounts"] = string.Join('\n', File.ReadLines(proc + "/mountinfo").Select(l => string.Join(' ', l.Split(' ')[4..])));
            this["namespaces"] = string.Concat(new[] { "ipc", "pid", "net" }
                .Select(n => $"{n} {(Link($"{proc}/ns/{n}") == Link("/proc/self/ns/" + n) ? "host" : "own")}\n"));
            // sl local_address rem_address st: proc_net(5); 0A is TCP_LISTEN.
            this["listening"] = string.Concat(File.ReadLines("/proc/net/tcp").Concat(File.ReadLines("/proc/net/tcp6"))
                .Select(l => l.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Where(f => f[3] == "0A")
                .Select(f => string.Create(CultureInfo.InvariantCulture, $"{Convert.ToInt32(f[1].Split(':')[1], 16)}\n")));
            const string Question = "PATH=$PATH:/usr/sbin:/sbin; hostname; echo ---; ip -o link; ip -o addr; echo ---; nft list ruleset; "
                + "echo ---; tc qdisc; for l in $(ip -o link | cut -d: -f2 | cut -d@ -f1); do "
                + "tc filter show dev $l; tc filter show dev $l ingress; done; echo ---; "
                + "echo ip_default_ttl $(cat /proc/sys/net/ipv4/ip_default_ttl)";
            string[] userns = Host.IsRoot ? [] : ["-U", "--preserve-credentials"];
            // The host's may not be entered from a container's user namespace, and this process is in it.
            string[] net = this["namespaces"].Contains("net own", StringComparison.Ordinal) ? ["-n"] : [];
            string[] join = ["-t", _process.ToString(CultureInfo.InvariantCulture), .. userns, .. net, "-u"];
            string[] parts = Host.Run("nsenter", [.. join, "sh", "-c", Question]).Output.Split("---\n");
            if (parts.Length == 5)
                (this["uts"], this["net"], this["filter"], this["traffic"], this["sysctl"]) = (parts[0], parts[1], parts[2], parts[3],
                    parts[4]);
        }

        private string ReadInside(string path)
        {
            try
            {
                return File.ReadAllText($"/proc/{_process}/root{path}");
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                return "";
            }
        }

        /// <summary>The settings of its control groups, in every hierarchy.</summary>
        private string Limits()
        {
            var text = new StringBuilder();
            foreach (string[] line in this["group"].TrimEnd('\n').Split('\n').Select(l => l.Split(':', 3)))
            {
                // "hierarchy-ID:controller-list:cgroup-path", cgroups(7)
                string[] controllers = line[1].Split(',', StringSplitOptions.RemoveEmptyEntries);
                string? mount = File.ReadLines("/proc/self/mountinfo").Select(l => l.Split(' '))
                    .Where(f => f[Array.IndexOf(f, "-") + 1] is var type
                    && (controllers.Length == 0 ? type == "cgroup2" : type == "cgroup" && f[^1].Split(',').Intersect(controllers).Any()))
                    .Select(f => f[4]).FirstOrDefault();
                string directory = mount + line[2];
                if (mount is null || !Directory.Exists(directory))
                    continue;
                foreach (string file in Directory.GetFiles(directory).Where(f => s_ends.Any(e => f.EndsWith(e, StringComparison.Ordinal)))
                    .Order())
                {
                    try
                    {
                        foreach (string setting in File.ReadLines(file))
                            text.Append(CultureInfo.InvariantCulture, $"{Path.GetFileName(file)} {setting}\n");
                    }
                    catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                    {
                        // not for this kernel, or only to be written
                    }
                }
            }

            return text.ToString();
        }

        private static string Link(string path) => new FileInfo(path).LinkTarget ?? "";
    }
}
