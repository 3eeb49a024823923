using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Lowers the control group of a new process: made and limited by the parent before the clone, entered by the clone itself, or on
/// version 1 by the child's first steps.</summary>
internal sealed class CgroupLaunch
{
    // What a result tells comes from these; they are used where they are there.
    private static readonly string[] s_wanted = ["cpu", "io", "memory", "pids"];
    internal static readonly ImmutableArray<string> WantedV1 = ["cpu", "cpuacct", "memory", "blkio", "pids"];

    private readonly CgroupFacts _facts;
    private readonly CgroupSettings _settings;
    private readonly ImmutableArray<DeviceRule>? _devices;
    private readonly (uint User, uint Group)? _owner;
    private readonly bool _cloneInto;
    private readonly Slot _file = new("file");
    private readonly ImmutableArray<Hierarchy> _hierarchies;

    /// <summary>One hierarchy's directory of the new control group.</summary>
    private sealed record Hierarchy(ImmutableArray<string> Controllers, CgroupMount Mount, bool IsV2)
    {
        internal Slot Parent { get; } = new("parent-" + (IsV2 ? "cgroup2" : Controllers[0]));

        /// <summary>0 once the directory was made here.</summary>
        internal Slot Made { get; } = new("made-" + (IsV2 ? "cgroup2" : Controllers[0]));

        internal Slot Directory { get; } = new("cgroup-" + (IsV2 ? "cgroup2" : Controllers[0]));

        internal Slot Processes { get; } = new("procs-" + (IsV2 ? "cgroup2" : Controllers[0]));
    }

    /// <param name="facts">The host.</param>
    /// <param name="name">The control group's name; null for a new one each time.</param>
    /// <param name="settings">The limits, in version 2's words.</param>
    /// <param name="devices">Device rules; null for none.</param>
    /// <param name="owner">Whom the control group is given to; null for nobody.</param>
    /// <param name="cloneInto">Whether clone3(2) may be used.</param>
    internal CgroupLaunch(CgroupFacts facts, string? name, CgroupSettings settings, ImmutableArray<DeviceRule>? devices,
        (uint User, uint Group)? owner, bool cloneInto)
    {
        (_facts, _settings, _devices, _owner) = (facts, settings, devices, owner);
        if (devices is not null && facts.Hierarchies.V2 is null && !facts.Hierarchies.V1.ContainsKey("devices"))
            throw new KernelFeatureException("device rules", "neither version 2 nor the controller devices of version 1 is mounted",
                "Mount one of them.");
        Name = new CgroupName(name);
        _hierarchies = [.. IsV1
            ? V1Hierarchies()
            : [new Hierarchy([], new CgroupMount(facts.Hierarchies.V2!.MountPoint, facts.Parent), IsV2: true)]];
        _cloneInto = cloneInto && _hierarchies.Any(h => h.IsV2);
    }

    internal CgroupName Name { get; }

    /// <summary>Where the descriptor lies that the clone enters; null where the child has to move itself.</summary>
    internal Slot? Into => _cloneInto ? _hierarchies.First(h => h.IsV2).Directory : null;

    /// <summary>Version 2's directory, where there is one.</summary>
    internal Slot UnifiedDirectory => _hierarchies.First(h => h.IsV2).Directory;

    /// <summary>The directories, which stay open as long as the container.</summary>
    internal IEnumerable<Slot> Directories => _hierarchies.Select(h => h.Directory);

    /// <summary>The device program of version 2, which is attached by its descriptor between these steps and the clone;
    /// null for none.</summary>
    internal DeviceProgram? Devices => _devices is { } rules && _hierarchies.Any(h => h.IsV2)
        && !_hierarchies.Any(h => h.Controllers.Contains("devices")) ? DeviceProgram.Compile(rules) : null;

    private bool IsV1 => _facts.Mode is CgroupMode.Legacy or CgroupMode.Hybrid;

    /// <summary>Moves this process to a scope of its own, where the containers are to be in one. Not on a launcher thread: systemd is
    /// waited for.</summary>
    internal void TakePlace() => _facts.Scope?.Start();

    /// <summary>Moves the processes of the control group above to one beside the container's, once: with controllers enabled for those
    /// below, it may hold none. It is this program's own, delegated to it; only the real root of the hierarchy may hold some.</summary>
    internal void MakeRoom()
    {
        if (IsV1)
            return;
        string[] parts = CgroupPath.Parts(_facts.Parent, "/");
        using CgroupDirectory? parent = CgroupDirectory.TryOpen(_facts.Hierarchies.V2!.MountPoint, parts);
        // The real root has no type. What is "/" to this process may be the root of its cgroup namespace.
        if (parent is null || (parent.IsRoot && !parent.Has("cgroup.type")))
            return;
        if (parent.ReadIds("cgroup.procs") is not { Count: > 0 } processes)
            return;
        int[] strangers = _facts.MovesAll ? [.. processes.Where(p => p == 0)] : CgroupFamily.Strangers(processes);
        if (strangers.Length > 0)
            throw new KernelFeatureException("a control group of the container's own", CgroupFacts.Strangers(parent, strangers),
                $"Start the program from a control group \"{CgroupFacts.OwnLeaf}\" below that one, and leave no process in it.");
        using CgroupDirectory leaf = CgroupDirectory.Create(parent.MountPoint, [.. parts, CgroupFacts.OwnLeaf]);
        foreach (int process in processes)
        {
            SyscallResult moved = leaf.TryWrite("cgroup.procs", process.ToString(CultureInfo.InvariantCulture), out string call);
            if (moved.Errno != Errno.ESRCH) // ended meanwhile
                moved.ThrowIfError("make room for containers in", parent.Name(""), call,
                    CgroupHints.ForWrite(new CgroupSetting("cgroup.procs", ""), moved.Errno));
        }
    }

    /// <summary>Reserves a place with the process that cleans up should this one end first. Not on a launcher thread.</summary>
    internal CgroupReaper.Registration Register() => CgroupReaper.Register(
        [.. _hierarchies.OrderByDescending(h => h.IsV2).ThenByDescending(h => h.Controllers.Contains("freezer")).Select(h => h.Mount)
            .Concat(Others).Select(Parent)],
        _hierarchies.Any(h => h.IsV2));

    /// <summary>Whether a control group of that name is there in any hierarchy.</summary>
    internal bool IsThere(string name) =>
        _hierarchies.Any(h => Directory.Exists(h.Mount.MountPoint + CgroupPath.Join([.. CgroupPath.Parts(h.Mount.Self, "/"), name])));

    /// <summary>The parent's steps: controllers, directories, limits.</summary>
    internal IEnumerable<PlanStep> Create()
    {
        foreach (PlanStep enable in EnableControllers())
            yield return enable;
        foreach (Hierarchy hierarchy in _hierarchies)
            yield return Create(hierarchy);
        foreach ((Hierarchy hierarchy, CgroupSetting setting) in Settings())
            yield return Write(hierarchy.Directory, setting, "the container's cgroup");
        if (_owner is { } owner)
            yield return Delegate(owner);
    }

    /// <summary>The child's first steps: it moves itself where the clone could not put it.</summary>
    internal IEnumerable<PlanStep> Enter()
    {
        ImmutableArray<SyscallStep> moves = [.. _hierarchies.Where(h => !(h.IsV2 && _cloneInto))
            .Select(h => new SyscallStep(Syscall.write, h.Processes, "0", 1))];
        if (!moves.IsEmpty)
        {
            yield return new PlanStep("enter", "the container's cgroup", moves)
            {
                Hint = errno => CgroupHints.ForWrite(new CgroupSetting("cgroup.procs", "0"), errno),
            };
        }
    }

    /// <summary>The control group of a launch that has succeeded, with the directories that its slots hold.</summary>
    internal Cgroup Adopt(ProgramMemory memory, string name)
    {
        CgroupDirectory Open(Hierarchy h) => CgroupDirectory.Adopt(new LinuxHandle(memory.SlotValue(h.Directory)), h.Mount.MountPoint,
            [.. CgroupPath.Parts(h.Mount.Self, "/"), name]);
        CgroupV2? unified = _hierarchies.FirstOrDefault(h => h.IsV2) is { } v2 ? new CgroupV2(Open(v2)) : null;
        return IsV1
            ? CgroupV1.Adopt(_hierarchies.Where(h => !h.IsV2).Select(h => (h.Controllers, Open(h))), unified, [.. Others.Select(m =>
                $"{Parent(m)}/{name}")])
            : unified!;
    }

    /// <summary>The hierarchies of version 1 that the control group is not made in: a limit that is set later may have it join
    /// one.</summary>
    private IEnumerable<CgroupMount> Others => !IsV1 ? [] : _facts.Hierarchies.V1.Where(m => CgroupV1.IsController(m.Key)).Select(m =>
        m.Value)
        .Where(m => _hierarchies.All(h => h.Mount.MountPoint != m.MountPoint)).DistinctBy(m => m.MountPoint);

    private static string Parent(CgroupMount mount) => mount.MountPoint + (mount.Self == "/" ? "" : mount.Self);

    /// <summary>Removes what a launch that failed has made, and nothing of that name that was there before.</summary>
    internal void Undo(ProgramMemory memory, string name)
    {
        foreach (Hierarchy hierarchy in _hierarchies.Where(h => memory.SlotValue(h.Made) == 0))
        {
            string path = hierarchy.Mount.MountPoint + CgroupPath.Join([.. CgroupPath.Parts(hierarchy.Mount.Self, "/"), name]);
            // The child that was just reaped is still counted for a moment, and a group that stays holds the name.
            for (int attempt = 0; CgroupDirectory.MayBeRemovedLater(FileSyscalls.RmdirAt(null, path).Errno) && attempt < 100; attempt++)
                Thread.Sleep(1);
        }
    }

    private static uint DirectoryFlag(Architecture architecture) => Fcntl.O_DIRECTORY(architecture);

    private IEnumerable<Hierarchy> V1Hierarchies()
    {
        CgroupHierarchies mounted = _facts.Hierarchies;
        IEnumerable<string> needed = WantedV1.Concat(_settings.Select(s => s.Controller == "io" ? "blkio" : s.Controller));
        if (_devices is not null)
            needed = needed.Append("devices");
        if (mounted.V2 is null)
            needed = needed.Append("freezer"); // version 2's directory can do that
        foreach (var mount in needed.Distinct().Where(mounted.V1.ContainsKey).GroupBy(c => mounted.V1[c]))
            yield return new Hierarchy([.. mount], mount.Key, IsV2: false);
        if (mounted.V2 is { } v2)
            yield return new Hierarchy([], v2, IsV2: true);
    }

    private IEnumerable<(Hierarchy Hierarchy, CgroupSetting Setting)> Settings()
    {
        if (!IsV1)
        {
            foreach (CgroupSetting setting in V2Translation.Translate(_settings,
                file => file == "io.bfq.weight" ? _facts.HasOnlyBfqWeights : file != "io.weight" || !_facts.HasOnlyBfqWeights))
            {
                RequireController(setting);
                yield return (_hierarchies[0], setting);
            }

            yield break;
        }

        Hierarchy? cpuset = Find("cpuset");
        if (cpuset is not null)
        {
            // Empty at first, and then nothing can be moved there.
            foreach ((string file, string value) in new[] { ("cpuset.cpus", _facts.V1Cpus), ("cpuset.mems", _facts.V1Mems) })
            {
                if (string.IsNullOrEmpty(_settings[file]))
                    yield return (cpuset, new CgroupSetting(file, value));
            }
        }

        CgroupSettings onV1 = CgroupSettings.None;
        foreach (CgroupSetting setting in _settings.Where(s => s.Value.Length > 0 || s.Controller != "cpuset"))
        {
            if (Find(setting.Controller == "io" ? "blkio" : setting.Controller) is not null)
                onV1 = onV1.With(setting);
            else if (_hierarchies.FirstOrDefault(h => h.IsV2) is { } v2
                && (setting.Controller == "cgroup" || _facts.Controllers.Contains(setting.Controller)))
                yield return (v2, setting);
            else
                throw new KernelFeatureException(setting.File, $"the controller {setting.Controller} is not mounted",
                    "Mount its hierarchy, or use a host with version 2.");
        }

        foreach (CgroupSetting setting in V1Translation.Translate(onV1, () => ByteSize.Max,
            file => file.StartsWith("blkio.bfq", StringComparison.Ordinal)
                ? _facts is { HasIoWeights: true, HasOnlyBfqWeights: true }
                : _facts is { HasIoWeights: true, HasOnlyBfqWeights: false }))
            yield return (Find(setting.Controller)!, setting);
        if (_devices is { } rules && Find("devices") is { } devices)
        {
            yield return (devices, new CgroupSetting("devices.deny", "a"));
            foreach (DeviceRule rule in rules)
                yield return (devices, new CgroupSetting(rule.Allow ? "devices.allow" : "devices.deny", rule.ToV1()));
        }
    }

    private Hierarchy? Find(string controller) => _hierarchies.FirstOrDefault(h => h.Controllers.Contains(controller));

    private void RequireController(CgroupSetting setting)
    {
        if (setting.Controller == "cgroup" || _facts.Controllers.Contains(setting.Controller))
            return;
        throw new KernelFeatureException($"{setting.File}",
            $"the controller {setting.Controller} is not available below the control group \"{_facts.Parent}\"",
            _facts is { Parent: "/", IsNamespaced: false } ? "This kernel was built or booted without it."
                : $"Have it delegated: systemd-run --user --scope -p Delegate={setting.Controller} PROGRAM, or "
                    + "enable it in cgroup.subtree_control of the one above.");
    }

    private IEnumerable<PlanStep> EnableControllers()
    {
        if (_facts.Hierarchies.V2 is not { } mount)
            yield break;
        IEnumerable<string> used = IsV1
            ? _settings.Select(s => s.Controller).Where(_facts.Controllers.Contains)
            : _settings.Select(s => s.Controller).Where(c => c != "cgroup");
        string[] missing = [.. used.Distinct().Except(_facts.Enabled)];
        string[] optional = IsV1 ? [] : [.. s_wanted.Where(_facts.Controllers.Contains).Except(_facts.Enabled).Except(missing)];
        // On a hybrid host the container's are below this process's own in every hierarchy, version 2's included.
        string parent = IsV1 ? mount.Self : _facts.Parent;
        string path = mount.MountPoint + (parent == "/" ? "" : parent) + "/cgroup.subtree_control";
        if (missing.Length > 0)
            yield return Enable(path, parent, missing, tolerated: []);
        foreach (string controller in optional)
            yield return Enable(path, parent, [controller], tolerated: [Errno.EINVAL, Errno.EBUSY, Errno.ENOENT]);
    }

    private PlanStep Enable(string path, string parent, string[] controllers, ImmutableArray<Errno> tolerated)
    {
        string value = string.Join(' ', controllers.Select(c => "+" + c));
        return new PlanStep($"enable controllers below cgroup \"{parent}\":", string.Join(", ", controllers),
        [
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC")) { Result = _file },
            new SyscallStep(Syscall.write, _file, value, value.Length) { Tolerated = tolerated },
            .. CloseFile(),
        ])
        {
            Hint = errno => CgroupHints.ForWrite(new CgroupSetting("cgroup.subtree_control", value), errno),
        };
    }

    private PlanStep Create(Hierarchy hierarchy)
    {
        string parent = Parent(hierarchy.Mount);
        StepArgument flags = StepArgument.Flags(DirectoryFlag(RuntimeInformation.ProcessArchitecture) | Fcntl.O_CLOEXEC,
            "O_DIRECTORY|O_CLOEXEC");
        ImmutableArray<SyscallStep> procs = hierarchy.IsV2 && _cloneInto ? [] :
        [
            new SyscallStep(Syscall.openat, hierarchy.Directory, "cgroup.procs",
                StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC")) { Result = hierarchy.Processes },
        ];
        return new PlanStep($"create a cgroup ({(hierarchy.IsV2 ? "version 2" : string.Join(", ", hierarchy.Controllers))}) below",
            $"\"{parent}\"",
        [
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, parent, flags) { Result = hierarchy.Parent },
            new SyscallStep(Syscall.mkdirat, hierarchy.Parent, Name.Argument, StepArgument.Flags(0b111_101_101, "0755"))
            {
                Result = hierarchy.Made
            },
            new SyscallStep(Syscall.openat, hierarchy.Parent, Name.Argument, flags) { Result = hierarchy.Directory },
            .. procs,
        ])
        {
            Hint = errno => errno == Errno.EEXIST
                ? "A container of that name is running, or a control group was left by one."
                : CgroupHints.ForCreate(errno),
        };
    }

    private PlanStep Write(Slot directory, CgroupSetting setting, string of) => new($"set {setting.File} of {of} to",
        $"\"{setting.Value}\"",
    [
        new SyscallStep(Syscall.openat, directory, setting.File, StepArgument.Flags(Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_WRONLY|O_CLOEXEC"))
        {
            Result = _file
        },
        new SyscallStep(Syscall.write, _file, setting.Value, System.Text.Encoding.UTF8.GetByteCount(setting.Value)),
        .. CloseFile(),
    ])
    {
        Hint = errno => CgroupHints.ForWrite(setting, errno),
    };

    private PlanStep Delegate((uint User, uint Group) owner)
    {
        Slot directory = _hierarchies.First(h => h.IsV2).Directory;
        SyscallStep Chown(string name, ImmutableArray<Errno> tolerated) => new(Syscall.fchownat, directory, name, owner.User, owner.Group,
            StepArgument.Flags(name.Length == 0 ? Fcntl.AT_EMPTY_PATH : Fcntl.AT_SYMLINK_NOFOLLOW,
                name.Length == 0 ? "AT_EMPTY_PATH" : "AT_SYMLINK_NOFOLLOW"))
        { Tolerated = tolerated };
        return new PlanStep("give the container's cgroup to",
            string.Create(CultureInfo.InvariantCulture, $"user {owner.User}, group {owner.Group}"),
            [Chown("", []), .. _facts.DelegatedFiles.Select(f => Chown(f, [Errno.ENOENT]))]);
    }

    // The slot is emptied by a close that fails: what closes the launch's descriptors must not close a number that is another's by then.
    private ImmutableArray<SyscallStep> CloseFile() =>
    [
        new SyscallStep(Syscall.close, _file),
        new SyscallStep(Syscall.close, StepArgument.Flags(uint.MaxValue, "-1")) { Result = _file, Tolerated = [Errno.EBADF] },
    ];
}
