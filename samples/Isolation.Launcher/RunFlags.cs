using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>A flag of <c>run</c>: its names, the name of its value (null for none), its help, and what it does.</summary>
internal sealed record Flag(string Names, string? Value, string Help, Func<RunOptions, string, RunOptions> Apply);

/// <summary>The flags of <c>run</c>, as people know them from docker.</summary>
internal static class RunFlags
{
    private static readonly Flag[] s_flags =
    [
        new("--rootfs", "DIR[:rw]", "root file system; changes are thrown away unless :rw (default: the host's root)", (o, v) => o with { Rootfs = v }),
        new("--read-only", null, "make the root read-only", (o, _) => o with { ReadOnly = true }),
        new("-v --volume", "SRC:DST[:ro]", "bind-mount a file or directory", (o, v) => o.AddMount(ParseVolume(v))),
        new("--tmpfs", "DST[:size=N,mode=M]", "mount a file system in memory", (o, v) => o.AddMount(ParseTmpfs(v))),
        new("--device", "SRC[:DST][:rwm]", "make a device of the host visible, and let it be used", (o, v) => o.AddDevice(v)),
        new("--device-cgroup-rule", "TYPE MAJ:MIN rwm", "let devices be used, such as \"c 10:* rw\"", (o, v) => o with { DeviceRules = o.DeviceRules.Add(DeviceRule.Parse(v)) }),
        .. ResourceOptions.Flags.Select(f => new Flag(f.Names, f.Value, f.Help, (o, v) => o with { Resources = f.Apply(o.Resources, v) })),
        new("--name", "NAME", "name, for stats, update, pause, unpause and top", (o, v) => o.Configure(b => b.WithName(v))),
        new("-h --hostname", "NAME", "host name (default: container)", (o, v) => o with { HostName = v }),
        new("-u --user", "USER[:GROUP]", "names or numbers", (o, v) => o.Configure(b => b.WithUser(v))),
        new("--group-add", "GROUP", "supplementary group", (o, v) => o.Configure(b => b.AddGroup(v))),
        new("--userns", "auto|host|MAP", "user namespace; MAP as 0:100000:65536", (o, v) => o.Configure(b => ParseUserNamespace(b, v))),
        new("--ipc", "host|none|container:PID", "IPC namespace", (o, v) => o.WithNamespace(NamespaceKinds.Ipc, v)),
        new("--pid", "host|none|container:PID", "PID namespace", (o, v) => o.WithNamespace(NamespaceKinds.Pid, v)),
        .. NetworkOptions.Flags.Select(f => new Flag(f.Names, f.Value, f.Help, (o, v) => o with { Network = f.Apply(o.Network, v) })),
        new("--cap-add", "CAP", "add a capability, or ALL", (o, v) => o with { AddedCapabilities = o.AddedCapabilities.Add(v) }),
        new("--cap-drop", "CAP", "drop a capability, or ALL", (o, v) => o with { DroppedCapabilities = o.DroppedCapabilities.Add(v) }),
        new("--privileged", null, "all capabilities, nothing masked or read-only, set-user-ID works", (o, _) => o with { Privileged = true }),
        new("--security-opt", "NAME[=VALUE]", SecurityOptions.Known, (o, v) => o with { Security = o.Security.Add(v) }),
        new("--sysctl", "NAME=VALUE", "kernel setting of the container's namespaces", (o, v) => o.Configure(b => b.AddSysctl(Pair(v, "--sysctl").Key, Pair(v, "--sysctl").Value))),
        new("--ulimit", "NAME=SOFT[:HARD]", "resource limit", (o, v) => o.Configure(b => b.AddRlimit(Rlimit.Parse(v)))),
        new("--oom-score-adj", "N", "-1000 to 1000", (o, v) => o.Configure(b => b.WithOomScoreAdj(Number(v, "--oom-score-adj")))),
        new("-e --env", "NAME=VALUE", "environment variable; NAME alone takes the launcher's", (o, v) => o.Configure(b => ParseEnvironment(b, v))),
        new("-w --workdir", "DIR", "working directory, made where it is missing", (o, v) => o.Configure(b => b.WithWorkingDirectory(v, create: true))),
        new("--init", null, "run a tiny init as process 1", (o, _) => o.Configure(b => b.WithInit())),
        new("-t --tty", null, "give the command a terminal", (o, _) => o with { Terminal = true }),
        new("-i --interactive", null, "pass standard input (it always is)", (o, _) => o),
        new("--rm", null, "leave nothing behind (it never does)", (o, _) => o),
        new("--timeout", "SECONDS", "kill everything after this time", (o, v) => o.Configure(b => b.WithTimeout(Seconds(v)))),
        new("--plan", null, "print what would happen, and stop", (o, _) => o with { Plan = true }),
        new("--times", null, "print how long each step of the start took", (o, _) => o with { Times = true }),
    ];

    private static readonly Dictionary<string, string> s_notBuilt = new()
    {
        ["ports of images, and links"] = "-P --publish-all --link",
        ["images and the daemon"] = "-d --detach --restart --pull --platform --label -l --log-driver --entrypoint --volumes-from --cidfile --mount --gpus --runtime",
    };

    /// <summary>Reads flags up to the command. The first word that is no flag, or what follows <c>--</c>, is the command.</summary>
    internal static RunOptions Parse(IReadOnlyList<string> arguments)
    {
        var options = new RunOptions();
        int i = 0;
        while (i < arguments.Count && arguments[i].StartsWith('-') && arguments[i] is not ("-" or "--"))
        {
            (string name, string? inline) = SplitFlag(arguments[i++]);
            foreach (string part in Expand(name))
            {
                Flag flag = Find(part);
                string value = "";
                if (flag.Value is not null)
                    value = inline ?? (i < arguments.Count ? arguments[i++] : throw new UsageException($"The flag {part} needs a value: {flag.Value}."));
                else if (inline is not null)
                    throw new UsageException($"The flag {part} takes no value.");
                options = Apply(flag, part, options, value);
            }
        }

        if (i < arguments.Count && arguments[i] == "--")
            i++;
        return options with { Command = [.. arguments.Skip(i)] };
    }

    internal static string Help()
    {
        var text = new StringBuilder();
        foreach (Flag flag in s_flags)
            text.Append(CultureInfo.InvariantCulture, $"  {flag.Names.Replace(" ", ", ", StringComparison.Ordinal) + (flag.Value is null ? "" : " " + flag.Value),-42} {flag.Help}\n");
        return text.ToString();
    }

    private static RunOptions Apply(Flag flag, string name, RunOptions options, string value)
    {
        try
        {
            return flag.Apply(options, value);
        }
        catch (Exception e) when (e is FormatException or ArgumentException)
        {
            throw new UsageException($"The flag {name}: {Reason(e)}");
        }
    }

    /// <summary>The first line, without the runtime's mention of a parameter that the reader knows nothing of.</summary>
    internal static string Reason(Exception e)
    {
        // The tool has no texts of the runtime, whose messages are keys here.
        if (e is FileNotFoundException or DirectoryNotFoundException && e.Message.Split(", ") is { Length: > 1 } parts && parts[0].StartsWith("IO_", StringComparison.Ordinal))
            return $"there is no \"{parts[1]}\".";
        string line = e.Message.Split('\n')[0];
        int mention = e is ArgumentException ? Math.Max(line.IndexOf(" (Parameter ", StringComparison.Ordinal), line.IndexOf(" Arg_ParamName_Name", StringComparison.Ordinal)) : -1;
        return mention < 0 ? line : line[..mention];
    }

    private static Flag Find(string name)
    {
        if (s_flags.FirstOrDefault(f => f.Names.Split(' ').Contains(name)) is { } flag)
            return flag;
        foreach ((string part, string names) in s_notBuilt)
        {
            if (names.Split(' ').Contains(name))
                throw new UsageException($"The flag {name} is known but not built yet: this version has no {part}.");
        }

        throw new UsageException($"There is no flag {name}.");
    }

    internal static (string Name, string? Value) SplitFlag(string argument)
    {
        int equals = argument.IndexOf('=', StringComparison.Ordinal);
        return argument.StartsWith("--", StringComparison.Ordinal) && equals > 0 ? (argument[..equals], argument[(equals + 1)..]) : (argument, null);
    }

    /// <summary>Short flags may be joined: <c>-it</c>.</summary>
    private static IEnumerable<string> Expand(string name) =>
        name.StartsWith("--", StringComparison.Ordinal) || name.Length == 2 ? [name] : name[1..].Select(c => "-" + c);

    private static BindMount ParseVolume(string text)
    {
        string[] parts = text.Split(':');
        if (parts.Length is < 2 or > 3 || parts[0].Length == 0 || parts[1].Length == 0 || (parts.Length == 3 && parts[2] is not ("ro" or "rw")))
            throw new FormatException($"\"{text}\" is not SRC:DST, SRC:DST:ro or SRC:DST:rw.");
        return new BindMount(Path.GetFullPath(parts[0]), parts[1], parts.Length == 3 && parts[2] == "ro" ? MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev : MountFlags.NoSuid | MountFlags.NoDev);
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
                "size" => mount with { SizeBytes = ByteCount(value) },
                "nr_inodes" => mount with { Inodes = ByteCount(value) },
                "mode" when TryOctal(value, out int mode) => mount with { Mode = mode },
                "ro" => mount with { Flags = mount.Flags | MountFlags.ReadOnly },
                "noexec" => mount with { Flags = mount.Flags | MountFlags.NoExec },
                "rw" or "nosuid" or "nodev" or "exec" => mount,
                _ => throw new FormatException($"\"{option}\" is not an option of tmpfs such as size=64m, nr_inodes=1k, mode=1777, ro or noexec."),
            };
        }

        return mount;
    }

    private static ContainerBuilder ParseUserNamespace(ContainerBuilder builder, string text) => text switch
    {
        "auto" => builder.WithUserNamespace(UserNamespaceMode.Auto),
        "host" => builder.WithUserNamespace(UserNamespaceMode.Host),
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
        return parts.Length == 2 && parts[0].Length > 0 ? (parts[0], parts[1]) : throw new FormatException($"\"{text}\" is not NAME=VALUE, which {flag} takes.");
    }

    private static TimeSpan Seconds(string text) =>
        double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double seconds) && seconds is > 0 and < 1e9
            ? TimeSpan.FromSeconds(seconds)
            : throw new FormatException($"\"{text}\" is not a number of seconds.");

    private static int Number(string text, string flag) => int.TryParse(text, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int number)
        ? number
        : throw new FormatException($"\"{text}\" is not a number, which {flag} takes.");

    private static bool TryOctal(string text, out int mode)
    {
        mode = 0;
        if (text.Length is 0 or > 5 || text.Any(c => c is < '0' or > '7'))
            return false;
        mode = Convert.ToInt32(text, 8);
        return true;
    }

    private static long ByteCount(string text)
    {
        int shift = text.Length == 0 ? 0 : char.ToLowerInvariant(text[^1]) switch { 'k' => 10, 'm' => 20, 'g' => 30, _ => 0 };
        return long.TryParse(shift == 0 ? text : text[..^1], NumberStyles.None, CultureInfo.InvariantCulture, out long count) && count > 0 && count <= long.MaxValue >> shift
            ? count << shift
            : throw new FormatException($"\"{text}\" is not a size such as 64m.");
    }
}
