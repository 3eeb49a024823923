using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>The flags of <c>run</c>, as people know them from docker.</summary>
internal static class RunFlags
{
    internal static readonly ImmutableArray<Flag> All =
    [
        Of("--rootfs", "DIR[:rw]", "root file system; changes are thrown away unless :rw (default: the host's root)", (o, v) =>
            o with { Rootfs = v }),
        Switch("--read-only", "make the root read-only", (o, on) => o with { ReadOnly = on }),
        Of("-v --volume", "SRC:DST[:ro]", "bind-mount a file or directory", (o, v) => o.AddMount(ParseVolume(v))),
        Of("--tmpfs", "DST[:size=N,mode=M,uid=U,gid=G]", "mount a file system in memory", (o, v) => o.AddMount(ParseTmpfs(v))),
        Of("--device", "SRC[:DST][:rwm]", "make a device of the host visible, and let it be used", (o, v) => o.AddDevice(v)),
        Of("--device-cgroup-rule", "TYPE MAJ:MIN rwm", "let devices be used, such as \"c 10:* rw\"",
            (o, v) => o with { DeviceRules = o.DeviceRules.Add(DeviceRule.Parse(v)) }),
        .. ResourceOptions.Flags,
        Of("--name", "NAME", "name, for stats, update, pause, unpause and top", (o, v) => o.Configure(b => b.WithName(v))),
        Of("-h --hostname", "NAME", "host name (default: container)", (o, v) => o with { HostName = v }),
        Of("-u --user", "USER[:GROUP]", "names or numbers; without a group, those that the root's files give the user", (o, v) =>
            o.WithUser(v)),
        Of("--group-add", "GROUP", "supplementary group", (o, v) => o.Configure(b => b.AddGroup(v))),
        Of("--userns", "auto|host|USER|MAP",
            "user namespace: auto has ids of its own, USER those granted in /etc/subuid and /etc/subgid, MAP is as 0:100000:65536",
            (o, v) => o.Configure(b => ParseUserNamespace(b, v))),
        Of("--ipc", "host|none|container:ID", "IPC namespace, with its /dev/shm; ID is a container's name or a process", (o, v) =>
            o.WithNamespace(NamespaceKinds.Ipc, v)),
        Of("--pid", "host|none|container:ID", "PID namespace; ID is a container's name or a process", (o, v) =>
            o.WithNamespace(NamespaceKinds.Pid, v)),
        .. NetworkOptions.Flags,
        Of("--cap-add", "CAP", "add a capability, or ALL; another user than root has it too, without its file's help", (o, v) =>
            o with { AddedCapabilities = o.AddedCapabilities.Add(v) }),
        Of("--cap-drop", "CAP", "drop a capability, or ALL", (o, v) => o with { DroppedCapabilities = o.DroppedCapabilities.Add(v) }),
        Switch("--privileged", "all capabilities and devices of the host, nothing masked or read-only, set-user-ID works", (o, on) =>
            o with { Privileged = on }),
        Of("--security-opt", "NAME[=VALUE]", SecurityOptions.Known, (o, v) =>
            o with { Security = o.Security.Add(v) }) with { Choices = SecurityOptions.Names },
        Of("--sysctl", "NAME=VALUE", "kernel setting of the container's namespaces",
            (o, v) => o.Configure(b => b.AddSysctl(Pair(v, "--sysctl").Key, Pair(v, "--sysctl").Value))),
        Of("--ulimit", "NAME=SOFT[:HARD]", "resource limit", (o, v) => o.Configure(b => b.AddRlimit(Rlimit.Parse(v)))) with
        {
            Choices = [.. Enum.GetNames<RlimitResource>().Select(n => n.ToLowerInvariant() + "=")],
        },
        Of("--oom-score-adj", "N", "-1000 to 1000", (o, v) => o.Configure(b => b.WithOomScoreAdj(Number(v, "--oom-score-adj")))),
        Of("-e --env", "NAME=VALUE", "environment variable; NAME alone takes the launcher's", (o, v) =>
            o.Configure(b => ParseEnvironment(b, v))),
        Of("-w --workdir", "DIR", "working directory, made where it is missing", (o, v) =>
            o.Configure(b => b.WithWorkingDirectory(v, create: true))),
        Switch("--init", "have an init as process 1 (default, unless the command is one itself)", (o, on) =>
            o.Configure(b => b.WithInit(on))),
        Switch("--no-init", "make the command process 1, which ignores signals that it has no handler for", (o, on) =>
            o.Configure(b => on ? b.AsFirstProcess() : b)),
        Switch("-t --tty", "give the command a terminal", (o, on) => o with { Terminal = on }),
        Switch("-i --interactive", "pass standard input (default); with =false it is empty", (o, on) => o with { Interactive = on }),
        Switch("--rm", "leave nothing behind (it never does; =false is refused)", (o, on) => on ? o
            : throw new FormatException("nothing is ever left behind; where the root is to keep changes, use --rootfs DIR:rw.")),
        Of("--timeout", "SECONDS", "kill everything after this time", (o, v) => o.Configure(b => b.WithTimeout(Seconds(v)))),
        Of("--cpu-time-max", "SECONDS", "kill everything after this much CPU time of all processes together", (o, v) =>
            o.Configure(b => b.WithCpuTimeMax(Seconds(v)))),
        Of("--output-max", "SIZE", "kill everything after this much output, standard output and standard error together", (o, v) =>
            o with { OutputMax = ByteSize.Parse(v) }),
        Switch("--plan", "print what would happen, and stop", (o, on) => o with { Plan = on }),
        Switch("--times", "print how long each step of the start took", (o, on) => o with { Times = on }),
        .. Refused("ports of images, and links", "-P --publish-all", "--link", "--expose"),
        .. Refused("images and the daemon", "-d --detach", "--detach-keys", "--restart", "--pull", "--platform", "-l --label",
            "--label-file", "--annotation",
            "--log-driver", "--log-opt", "--entrypoint", "--volumes-from", "--cidfile", "--mount", "--gpus", "--runtime", "-q --quiet",
            "--disable-content-trust", "--use-api-socket"),
        .. Refused("drivers of volumes and storage", "--volume-driver", "--storage-opt"),
        .. Refused("health checks", "--health-cmd", "--health-interval", "--health-retries", "--health-start-interval",
            "--health-start-period",
            "--health-timeout", "--no-healthcheck"),
        .. Refused("signals and times of a stop, and no choice of streams", "--stop-signal", "--stop-timeout", "--sig-proxy",
            "-a --attach"),
        .. Refused("control groups of somebody else", "--cgroup-parent", "--cgroupns"),
        .. Refused("settings that version 2 of control groups has not", "--kernel-memory", "--memory-swappiness", "--oom-kill-disable",
            "--cpu-rt-period",
            "--cpu-rt-runtime", "--blkio-weight-device"),
        .. Refused("names of domains, and no addresses of links", "--domainname", "--link-local-ip"),
        .. Refused("limits of Windows", "--cpu-count", "--cpu-percent", "--io-maxbandwidth", "--io-maxiops", "--isolation"),
    ];

    /// <summary>Reads the words after <c>run</c>.</summary>
    internal static RunOptions Parse(IReadOnlyList<string> arguments) =>
        RunOptions.From(CommandLine.Parse(Commands.Find(["run"]), arguments));

    private static Flag<RunOptions> Of(string names, string value, string help, Func<RunOptions, string, RunOptions> apply) =>
        new(names, value, help, apply);

    private static Flag<RunOptions> Switch(string names, string help, Func<RunOptions, bool, RunOptions> apply) =>
        Flag<RunOptions>.Switch(names, help, apply);

    private static IEnumerable<RefusedFlag> Refused(string part, params string[] flags) =>
        flags.Select(f => new RefusedFlag(f, null, part));

    private static BindMount ParseVolume(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length is < 2 or > 3 || parts[0].Length == 0 || parts[1].Length == 0
            || (parts.Length == 3 && parts[2] is not ("ro" or "rw")))
            throw new FormatException($"\"{text}\" is not SRC:DST, SRC:DST:ro or SRC:DST:rw.");
        return new BindMount(Path.GetFullPath(parts[0]), parts[1], parts.Length == 3 && parts[2] == "ro"
            ? MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev
            : MountFlags.NoSuid | MountFlags.NoDev);
    }

    private static TmpfsMount ParseTmpfs(string text)
    {
        string[] parts = text.Split(':', 2);
        var mount = new TmpfsMount(parts[0]);
        foreach (string option in parts.Length == 2 ? parts[1].Split(',') : [])
        {
            (string key, string value) = option.Contains('=', StringComparison.Ordinal) ? Pair(option, "--tmpfs") : (option, "");
            mount = key switch
            {
                "size" => mount with { Size = new(ByteCount(value)) },
                "nr_inodes" => mount with { Inodes = ByteCount(value) },
                "uid" when TryId(value, out uint user) => mount with { UserId = user },
                "gid" when TryId(value, out uint group) => mount with { GroupId = group },
                "mode" when TryOctal(value, out UnixFileMode mode) => mount with { Mode = mode },
                "ro" => mount with { Flags = mount.Flags | MountFlags.ReadOnly },
                "noexec" => mount with { Flags = mount.Flags | MountFlags.NoExec },
                "rw" or "nosuid" or "nodev" or "exec" => mount,
                _ => throw new FormatException(
                    $"\"{option}\" is not an option of tmpfs such as size=64m, nr_inodes=1k, mode=1777, uid=1000, gid=1000, ro or noexec."),
            };
        }

        return mount;
    }

    private static ContainerBuilder ParseUserNamespace(ContainerBuilder builder, string text) => text switch
    {
        "auto" => HostFacts.Current.IsPrivileged ? IdRanges.Own(builder) : builder.WithUserNamespace(UserNamespaceMode.Auto),
        "host" => builder.WithUserNamespace(UserNamespaceMode.Host),
        _ when !text.Contains(':', StringComparison.Ordinal) => IdRanges.OfUser(builder, text),
        _ => builder.WithUserNamespace(IdMap.Parse(text), IdMap.Parse(text)),
    };

    private static ContainerBuilder ParseEnvironment(ContainerBuilder builder, string text)
    {
        if (text.Contains('=', StringComparison.Ordinal))
            return builder.AddEnvironment(Pair(text, "--env").Key, Pair(text, "--env").Value);
        return Environment.GetEnvironmentVariable(text) is { } inherited ? builder.AddEnvironment(text, inherited) : builder;
    }

    private static (string Key, string Value) Pair(string text, string flag)
    {
        string[] parts = text.Split('=', 2);
        return parts.Length == 2 && parts[0].Length > 0
            ? (parts[0], parts[1])
            : throw new FormatException($"\"{text}\" is not NAME=VALUE, which {flag} takes.");
    }

    private static TimeSpan Seconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 1e9
            ? TimeSpan.FromSeconds(seconds)
            : throw new FormatException($"\"{text}\" is not a number of seconds.");

    private static int Number(string text,
        string flag) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"\"{text}\" is not a number, which {flag} takes.");

    private static bool TryId(string text, out uint id) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id != uint.MaxValue;

    private static bool TryOctal(string text, out UnixFileMode mode)
    {
        mode = UnixFileMode.None;
        if (text.Length is 0 or > 5 || text.Any(c => c is < '0' or > '7'))
            return false;
        mode = (UnixFileMode)Convert.ToInt32(text, 8);
        return true;
    }

    private static long ByteCount(string text)
    {
        int shift = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long count) && count > 0
            && count <= long.MaxValue >> shift
            ? count << shift
            : throw new FormatException($"\"{text}\" is not a size such as 64m.");
    }
}
