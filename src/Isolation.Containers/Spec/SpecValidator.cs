using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Finds every fault of a spec that needs no host to be seen.</summary>
internal sealed partial class SpecValidator(ContainerStart start)
{
    private readonly ContainerSpec _spec = start.Spec;

    private static readonly TimeSpan s_longestTimeout = TimeSpan.FromDays(49); // what a timer takes

    // NGROUPS_MAX, linux/limits.h: setgroups(2) refuses more.
    private const int MaxGroups = 65_536;

    private readonly List<SpecFault> _faults = [];

    internal static IReadOnlyList<SpecFault> Check(ContainerStart start)
    {
        var incomplete = new List<SpecFault>();
        var validator = new SpecValidator(Complete(start, incomplete));
        validator._faults.AddRange(incomplete);
        validator.CheckRoot();
        validator.CheckProcess();
        validator.CheckStreams();
        validator.CheckMounts();
        validator.CheckNamespaces();
        validator.CheckSysctls();
        validator.CheckCgroup();
        validator.CheckSecurity();
        validator.CheckNetwork();
        return validator._faults;
    }

    private void Require(bool holds, string path, string rule, string? value)
    {
        if (!holds)
            _faults.Add(new SpecFault(path, rule, value));
    }

    private void CheckRoot()
    {
        switch (_spec.Rootfs)
        {
            case DirectoryRootfs directory:
                Require(IsAbsolute(directory.Path), "root.path", "must be an absolute path", directory.Path);
                break;
            case OverlayRootfs overlay:
                Require(!overlay.LowerDirectories.IsDefaultOrEmpty, "root.lower", "must name at least one directory", null);
                foreach (string lower in overlay.LowerDirectories.IsDefault ? [] : overlay.LowerDirectories)
                    Require(IsAbsolute(lower), "root.lower", "must be an absolute path", lower);
                Require((overlay.UpperDirectory is null) == (overlay.WorkDirectory is null), "root.work",
                    "must be given together with the upper directory", overlay.WorkDirectory);
                Require(overlay.UpperDirectory is not { } upper || IsAbsolute(upper), "root.upper", "must be an absolute path",
                    overlay.UpperDirectory);
                Require(overlay.WorkDirectory is not { } work || IsAbsolute(work), "root.work", "must be an absolute path",
                    overlay.WorkDirectory);
                break;
        }
    }

    private void CheckProcess()
    {
        Require(!_spec.Command.IsEmpty && _spec.Command[0].Length > 0, "process.args", "must name a program", null);
        for (int i = 0; i < _spec.Command.Length; i++)
        {
            Require(!HasNul(_spec.Command[i]), Index("process.args", i), "must not contain a NUL character", Shown(_spec.Command[i]));
            Require(IsWellFormed(_spec.Command[i]), Index("process.args", i), "must not contain half of a surrogate pair",
                Shown(_spec.Command[i]));
        }

        foreach ((string key, string value) in _spec.Environment)
        {
            Require(key.Length > 0 && !key.Contains('=', StringComparison.Ordinal) && !HasNul(key), "process.env",
                "must have names without = and NUL", Shown(key));
            Require(!HasNul(value), "process.env", "must have values without NUL", key);
            Require(IsWellFormed(key) && IsWellFormed(value), "process.env", "must not contain half of a surrogate pair", Shown(key));
        }

        bool searches = !_spec.Command.IsEmpty && _spec.Command[0].Length > 0 && !_spec.Command[0].Contains('/', StringComparison.Ordinal);
        Require(!searches || _spec.Environment.GetValueOrDefault("PATH") is not { } search || search.Split(':').Any(d => d.StartsWith('/')),
            "process.env", "must have a PATH with an absolute directory to search for the program in",
            _spec.Environment.GetValueOrDefault("PATH"));
        CheckId("process.user.uid", _spec.User.User);
        if (_spec.User.Group is { } primary)
            CheckId("process.user.gid", primary);
        Require(_spec.AdditionalGroups.Length <= MaxGroups, "process.user.additionalGids",
            $"must be at most {MaxGroups}, the kernel's NGROUPS_MAX",
            Text(_spec.AdditionalGroups.Length));
        for (int i = 0; i < Math.Min(_spec.AdditionalGroups.Length, MaxGroups); i++)
            CheckId(Index("process.user.additionalGids", i), _spec.AdditionalGroups[i]);
        Require(IsAbsolute(_spec.WorkingDirectory), "process.cwd", "must be an absolute path", _spec.WorkingDirectory);
        Require(!_spec.CreateWorkingDirectory || Depth(_spec.WorkingDirectory) <= InRoot.MaxDepth, "process.cwd",
            $"must have at most {InRoot.MaxDepth} parts where it is to be made",
            Text(Depth(_spec.WorkingDirectory)));
        Require((int?)_spec.Umask is null or (>= 0 and <= 0b111_111_111), "process.user.umask", "must be 0 to 0777",
            Text((int?)_spec.Umask));
        Require(_spec.OomScoreAdj is null or (>= -1000 and <= 1000), "process.oomScoreAdj", "must be -1000 to 1000",
            Text(_spec.OomScoreAdj));
        foreach (var group in _spec.Rlimits.GroupBy(r => r.Resource))
        {
            Require(group.Count() == 1, "process.rlimits", "must name a resource once", group.First().KernelName);
            Require(group.All(r => r.Soft <= r.Hard), "process.rlimits", "must have a soft limit that is not above the hard one",
                group.First().ToString());
        }

        Require(_spec.Capabilities.Permitted.Contains(_spec.Capabilities.Effective), "process.capabilities.effective",
            "must be within the permitted set", null);
        Require(_spec.Capabilities.Bounding.Contains(_spec.Capabilities.Permitted), "process.capabilities.permitted",
            "must be within the bounding set", null);
        Require(_spec.Capabilities.Permitted.Intersect(_spec.Capabilities.Inheritable).Contains(_spec.Capabilities.Ambient),
            "process.capabilities.ambient",
            "must be within the permitted and the inheritable set", null);
        Require(_spec.Timeout is not { } t || (t > TimeSpan.Zero && t < s_longestTimeout), "timeout",
            "must be longer than zero and shorter than 49 days", _spec.Timeout?.ToString());
    }

    /// <summary>A number, or a name as passwd(5) and group(5) can have it, which the root's files resolve later.</summary>
    private void CheckId(string path, string text)
    {
        if (text.Length > 0 && text.All(char.IsAsciiDigit))
            Require(UserFiles.TryId(text, out _), path, "must be an id from 0 to 4294967294", text);
        else
            Require(text.Length > 0 && !text.Any(c => c == ':' || char.IsControl(c)), path, "must be a name or a number", Shown(text));
    }

    private void CheckCgroup()
    {
        Require(_spec.Cgroup != CgroupUse.SharedWithParent
            || (_spec.Resources.Count == 0 && _spec.DeviceRules is null && !_spec.DelegatesCgroup),
            "linux.resources", "need a control group of the container's own", null);
        Require(_spec.CpuTimeMax is not { } cpu || cpu > TimeSpan.Zero, "cpuTimeMax", "must be longer than zero",
            _spec.CpuTimeMax?.ToString());
        Require(_spec.CpuTimeMax is null || _spec.Cgroup != CgroupUse.SharedWithParent, "cpuTimeMax",
            "needs a control group of the container's own", null);
        string? nameFault = _spec.Name is { } name ? StateName.FaultOf(name, StateName.MaxContainerLength) : null;
        Require(nameFault is null, "name", nameFault ?? "", _spec.Name is null ? null : Shown(_spec.Name));
        Require(_spec.Resources.All(s => s.Controller is not ("cgroup" or "") || s.File.StartsWith("cgroup.max.", StringComparison.Ordinal)
            || s.File == "cgroup.pressure"),
            "linux.resources", "must be limits: processes and controllers are placed by the launch", null);
        // In a group without a page of memory, or without room for a process, the launch itself would fail, at whichever call is the first.
        Require(!long.TryParse(_spec.Resources["memory.max"], CultureInfo.InvariantCulture, out long memory)
            || memory >= Environment.SystemPageSize,
            "linux.resources.memory.limit", $"must be a page or more ({Environment.SystemPageSize} bytes): nothing can run without memory",
            _spec.Resources["memory.max"]);
        Require(_spec.Resources["pids.max"] != "0", "linux.resources.pids.limit", "must be 1 or more: nothing can run without a process",
            "0");
    }

    /// <summary>What cannot be where nobody gets the container's streams.</summary>
    internal static IReadOnlyList<SpecFault> CheckUnattended(ContainerStart start) =>
    [
        .. new[] { (start.StandardInput, "stdin"), (start.StandardOutput, "stdout"), (start.StandardError, "stderr") }
            .Where(s => s.Item1 is PipeStdio)
            .Select(s => new SpecFault("process." + s.Item2,
                "must not be a pipe in RunAsync, which hands out no streams: use CaptureAsync or StartAsync", null)),
        .. start.Spec.Terminal
            ? [new SpecFault("process.terminal", "must not be used in RunAsync, which hands out no streams: use StartAsync", null)]
            : (SpecFault[])[],
    ];

    private void CheckStreams()
    {
        Require(!_spec.Terminal
            || (start.StandardInput, start.StandardOutput, start.StandardError) == (Stdio.Null, Stdio.Inherit, Stdio.Inherit),
            "process.terminal", "must not be combined with settings for the standard streams, which the terminal is", null);
        Require(!_spec.Terminal || HasMount<DevMount>(), "process.terminal", "needs a /dev mount of its own", null);
        foreach ((Stdio stdio, string name) in new[] { (start.StandardInput, "stdin"), (start.StandardOutput, "stdout"),
            (start.StandardError, "stderr") })
        {
            Require(stdio is not FileStdio file || IsAbsolute(file.Path), "process." + name, "must be an absolute path",
                (stdio as FileStdio)?.Path);
            Require(name == "stdin" ? stdio is not (SinkStdio or WriterStdio) : stdio is not (ContentStdio or SourceStdio),
                "process." + name, name == "stdin" ? "must be something to read from" : "must be something to write to", null);
            Require(name == "stdin" || _spec.OutputMax is null || start.CountsSomeOutput
                || stdio is NullStdio or PipeStdio or SinkStdio or WriterStdio,
                "process." + name, "must be a pipe, a stream or nothing for a limit of output, which is counted by this process", null);
            Require(stdio is not HandleStdio { SafeHandle: { IsClosed: true } or { IsInvalid: true } }, "process." + name,
                "must be an open handle", null);
        }

        foreach (var secret in start.Secrets.GroupBy(s => s.Name).Where(s => s.Count() > 1))
            Require(false, "secrets", "must use a name once", secret.Key);
        Require(_spec.OutputMax is not { Bytes: <= 0 }, "outputMax", "must be more than nothing", _spec.OutputMax?.ToString());
        foreach (var target in start.Descriptors.GroupBy(d => d.Target))
        {
            Require(target.Key is >= 3 and < 1024, "process.descriptors", "must have numbers from 3 to 1023", Text(target.Key));
            Require(target.Count() == 1, "process.descriptors", "must use a number once", Text(target.Key));
            Require(target.All(d => d.Handle is { IsClosed: false, IsInvalid: false }), "process.descriptors",
                "must be open handles", Text(target.Key));
        }
    }

    private void CheckMounts()
    {
        for (int i = 0; i < _spec.Mounts.Length; i++)
        {
            Mount mount = _spec.Mounts[i];
            string path = Index("mounts", i);
            Require(IsAbsolute(mount.Destination) && mount.Destination.Trim('/').Length > 0, path + ".destination",
                "must be an absolute path below /, without ..", mount.Destination);
            Require(Depth(mount.Destination) <= InRoot.MaxDepth, path + ".destination", $"must have at most {InRoot.MaxDepth} parts",
                Text(Depth(mount.Destination)));
            string? source = mount switch { BindMount b => b.Source, DeviceMount d => d.Source, _ => null };
            Require(mount is not (BindMount or DeviceMount) || IsAbsolute(source), path + ".source", "must be an absolute path", source);
            switch (mount)
            {
                case OverlayMount overlay:
                    Require(!overlay.LowerDirectories.IsDefaultOrEmpty && overlay.LowerDirectories.All(IsAbsolute), path + ".lower",
                        "must be absolute paths", null);
                    Require((overlay.UpperDirectory is null) == (overlay.WorkDirectory is null), path + ".work",
                        "must be given together with the upper directory", overlay.WorkDirectory);
                    Require(overlay.UpperDirectory is not { } upper || IsAbsolute(upper), path + ".upper", "must be an absolute path",
                        overlay.UpperDirectory);
                    Require(overlay.WorkDirectory is not { } work || IsAbsolute(work), path + ".work", "must be an absolute path",
                        overlay.WorkDirectory);
                    break;
                case DevMount dev:
                    Require(dev.ShmSize is { IsMax: false, Bytes: > 0 }, path + ".shmSize", "must be positive", dev.ShmSize.ToString());
                    break;
                case FileMount file:
                    Require(!file.Content.IsDefault, path + ".content", "must not be null", null);
                    Require((int)file.Mode is >= 0 and <= 0b111_111_111_111, path + ".mode", "must be 0 to 07777", Text((int)file.Mode));
                    break;
                case TmpfsMount tmpfs:
                    Require(tmpfs.Size is null or { IsMax: false, Bytes: > 0 }, path + ".size", "must be positive", tmpfs.Size?.ToString());
                    Require(tmpfs.Inodes is null or > 0, path + ".inodes", "must be positive", Text(tmpfs.Inodes));
                    Require((int)tmpfs.Mode is >= 0 and <= 0b111_111_111_111, path + ".mode", "must be 0 to 07777", Text((int)tmpfs.Mode));
                    break;
            }
        }

        foreach (string masked in _spec.MaskedPaths)
            Require(IsAbsolute(masked) && Depth(masked) <= InRoot.MaxDepth, "linux.maskedPaths",
                "must be an absolute path of at most 50 parts", masked);
        foreach (string readOnly in _spec.ReadOnlyPaths)
            Require(IsAbsolute(readOnly) && Depth(readOnly) <= InRoot.MaxDepth, "linux.readonlyPaths",
                "must be an absolute path of at most 50 parts", readOnly);
    }

    private void CheckNamespaces()
    {
        NamespaceSettings settings = _spec.Namespaces;
        const NamespaceKinds Shareable = NamespaceKinds.Ipc | NamespaceKinds.Pid | NamespaceKinds.Net | NamespaceKinds.Uts
            | NamespaceKinds.Cgroup;
        Require((settings.SharedWithHost & ~Shareable) == 0, "linux.namespaces",
            "must share only ipc, pid, net, uts or cgroup with the host",
            (settings.SharedWithHost & ~Shareable).ToString());
        foreach (var joined in start.Joined.GroupBy(j => j.Kind))
        {
            Require(joined.Key.Each().Count() == 1 && joined.Key is not (NamespaceKinds.Mount or NamespaceKinds.Time), "linux.namespaces",
                "must join single namespaces other than mount and time", joined.Key.ToString());
            Require(joined.Count() == 1 && !settings.SharedWithHost.HasFlag(joined.Key), "linux.namespaces",
                "must say once where a namespace comes from", joined.Key.ToString());
            Require(joined.All(j => !j.Handle.IsClosed), "linux.namespaces", "must join what is held by an open handle",
                joined.First().ToString());
        }

        bool joinsUser = start.Joined.Any(j => j.Kind == NamespaceKinds.User);
        Require(!joinsUser || settings.User == UserNamespaceMode.Auto, "linux.namespaces",
            "must either join a user namespace or have one of its own", "user");
        Require((settings.UserIds is null) == (settings.GroupIds is null), "linux.gidMappings",
            "must be given together with uidMappings", null);
        Require(settings.UserIds is null || settings.User != UserNamespaceMode.Host, "linux.uidMappings",
            "need a user namespace of its own", "host");
        bool ownUts = Owns(NamespaceKinds.Uts);
        foreach ((string? name, string path) in new[] { (_spec.HostName, "hostname"), (_spec.DomainName, "domainname") })
        {
            Require(name is null || ownUts, path, "needs a UTS namespace of its own", name);
            bool fits = name is null || Encoding.UTF8.GetByteCount(name) is > 0 and <= 64;
            Require(fits, path, "must be 1 to 64 bytes", name);
            // The host name becomes a line of /etc/hosts; the NIS domain is (none) unless it is set.
            bool plain = name is null || (path == "hostname" ? EgressRule.IsHostName(name) : name.All(c => c is > ' ' and < (char)127));
            Require(!fits || plain, path, path == "hostname"
                ? "must be letters, digits, - and _, in parts between dots"
                : "must be printable characters without spaces", name is null ? null : Shown(name));
        }
    }

    /// <summary>Only settings of namespaces that are the container's own: all others are the host's.</summary>
    private void CheckSysctls()
    {
        Require(_spec.Sysctls.IsEmpty || HasMount<ProcMount>(), "linux.sysctl", "needs a /proc mount of its own", null);
        foreach ((string key, string value) in _spec.Sysctls)
        {
            Require(key.Length > 0 && key.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-')
                && !key.Contains("..", StringComparison.Ordinal),
                "linux.sysctl", "must be names with dots, such as net.ipv4.ip_forward", Shown(key));
            Require(!HasNul(value), "linux.sysctl", "must have values without NUL", key);
            NamespaceKinds? needed = SysctlNamespace(key);
            Require(needed is not null, "linux.sysctl",
                "must be a setting that belongs to a namespace (net.*, fs.mqueue.*, kernel.msg*, kernel.sem, kernel.shm*)", key);
            Require(needed is null || Owns(needed.Value), "linux.sysctl",
                $"needs a namespace of its own ({needed?.ToString().ToLowerInvariant()})", key);
        }
    }

    private static NamespaceKinds? SysctlNamespace(string key)
    {
        if (key.StartsWith("net.", StringComparison.Ordinal))
            return NamespaceKinds.Net;
        if (key.StartsWith("fs.mqueue.", StringComparison.Ordinal))
            return NamespaceKinds.Ipc;
        return key is "kernel.msgmax" or "kernel.msgmnb" or "kernel.msgmni" or "kernel.sem" or "kernel.shmall" or "kernel.shmmax"
            or "kernel.shmmni" or "kernel.shm_rmid_forced"
            ? NamespaceKinds.Ipc
            : null;
    }

    private bool Owns(NamespaceKinds kind) => !_spec.Namespaces.SharedWithHost.HasFlag(kind)
        && start.Joined.All(j => j.Kind != kind);

    private static bool IsAbsolute(string? path) => path is not null && path.StartsWith('/') && IsText(path)
        && !path.Split('/').Contains("..");

    // A half alone would become another character on its way to the kernel.
    private static bool IsWellFormed(string text)
    {
        for (int i = 0; i < text.Length; i += char.IsHighSurrogate(text[i]) ? 2 : 1)
        {
            if (char.IsSurrogate(text[i]) && !(i + 1 < text.Length && char.IsSurrogatePair(text[i], text[i + 1])))
                return false;
        }

        return true;
    }

    private static bool IsText(string text) => !HasNul(text) && IsWellFormed(text);

    private static int Depth(string? path) => path?.Split('/', StringSplitOptions.RemoveEmptyEntries).Length ?? 0;

    private static bool HasNul(string text) => text.Contains('\0', StringComparison.Ordinal);

    private static string Shown(string text) => text.Replace("\0", "\\0", StringComparison.Ordinal);

    private static string Index(string path, int index) => string.Create(CultureInfo.InvariantCulture, $"{path}[{index}]");

    private static string? Text(IFormattable? value) => value?.ToString(null, CultureInfo.InvariantCulture);
}
