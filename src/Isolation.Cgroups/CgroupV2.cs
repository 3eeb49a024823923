using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>A control group of version 2. Held open; disposing closes it and leaves it there.</summary>
/// <remarks>Each <c>With</c> writes at once, and enables the controller down the path where it is not yet.
/// See the kernel's cgroup-v2 guide.</remarks>
/// <example><code>
/// using CgroupV2 jobs = CgroupV2.Create("/jobs").WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(100);
/// </code></example>
public sealed partial class CgroupV2 : Cgroup, ICgroupControls<CgroupV2>
{
    private readonly CgroupDirectory _directory;

    internal CgroupV2(CgroupDirectory directory) : base(directory.Path) => _directory = directory;

    /// <summary>Creates a control group, with those above it where they are missing, or opens it where it is there.</summary>
    /// <param name="path">From the hierarchy's root where it begins with a slash, else from this process's own control group.</param>
    /// <exception cref="LinuxException"><c>EACCES</c>: not delegated. <c>EROFS</c>: mounted read-only.
    /// <c>EAGAIN</c>: a limit of depth or count.</exception>
    /// <exception cref="KernelFeatureException">Version 2 is not mounted.</exception>
    public static new CgroupV2 Create(string path)
    {
        CgroupMount mount = Mount();
        return new(CgroupDirectory.Create(mount.MountPoint, CgroupPath.Parts(path, mount.Self)));
    }

    /// <summary>Opens a control group that is there.</summary>
    /// <param name="path">From the hierarchy's root where it begins with a slash, else from this process's own control group.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is none.</exception>
    /// <exception cref="KernelFeatureException">Version 2 is not mounted.</exception>
    public static new CgroupV2 Open(string path)
    {
        CgroupMount mount = Mount();
        string[] parts = CgroupPath.Parts(path, mount.Self);
        return CgroupDirectory.TryOpen(mount.MountPoint, parts) is { } directory ? new(directory) : throw NoSuch(parts);
    }

    /// <summary>Opens the control group that a process is in. Reads /proc/PID/cgroup.</summary>
    /// <param name="processId">The process's id.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: no such process.
    /// <c>ENOENT</c>: it lies outside of what this process sees.</exception>
    public static CgroupV2 OpenOf(int processId)
    {
        CgroupMount mount = Mount();
        string id = processId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string text = TextFile.ReadIfAllowed($"/proc/{id}/cgroup")
            ?? throw new LinuxException("open the cgroup of process", id, "openat(2)", Errno.ESRCH);
        string path = CgroupHierarchies.ParseMembership(text)[""];
        return mount.Below(path) is { } below ? Open(below) : throw NoSuch(path.Split('/', StringSplitOptions.RemoveEmptyEntries));
    }

    /// <summary>Makes or opens a control group directly below.</summary>
    /// <param name="name">One name, without slashes.</param>
    public CgroupV2 CreateChild(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        if (name.Contains('/', StringComparison.Ordinal))
            throw new ArgumentException($"\"{name}\" is not one name.", nameof(name));
        return new(CgroupDirectory.Create(_directory.MountPoint, CgroupPath.Parts(CgroupPath.Join([.. _directory.Parts, name]), "/")));
    }

    /// <summary>The controllers that may be used here: <c>cgroup.controllers</c>.</summary>
    public ImmutableArray<string> ReadControllers() => Words("cgroup.controllers");

    /// <summary>The controllers that are enabled for the control groups below: <c>cgroup.subtree_control</c>.</summary>
    public ImmutableArray<string> ReadSubtreeControl() => Words("cgroup.subtree_control");

    /// <summary>Enables controllers for the control groups below, here and in those above where they are not enabled yet.</summary>
    /// <remarks>Writes <c>cgroup.subtree_control</c> from the root down. The root aside, a control group with domain controllers enabled
    /// holds no processes itself.</remarks>
    /// <exception cref="LinuxException"><c>EBUSY</c>: it holds processes itself. <c>EACCES</c>: not delegated.</exception>
    /// <exception cref="KernelFeatureException">The controller is not there.</exception>
    public void EnableControllers(params IEnumerable<string> controllers)
    {
        ArgumentNullException.ThrowIfNull(controllers);
        foreach (string controller in controllers)
            Enable(controller, _directory.Parts.Length);
    }

    /// <inheritdoc cref="Cgroup.With"/>
    public new CgroupV2 With(CgroupSetting setting)
    {
        base.With(setting);
        return this;
    }

    /// <inheritdoc/>
    public override void Apply(CgroupSettings settings)
    {
        ArgumentNullException.ThrowIfNull(settings);
        foreach (CgroupSetting setting in InOrder(V2Translation.Translate(settings, _directory.Has, _directory.TryRead)))
        {
            if (setting.Controller != "cgroup" && !_directory.Has(setting.File))
                Enable(setting.Controller, _directory.Parts.Length - 1);
            _directory.Write(setting with { Value = ValueFor(setting) });
        }
    }

    /// <summary>What is written: no processors or nodes means all that the control group above may use, which the kernel takes as an empty
    /// list where nothing runs, and refuses (ENOSPC) where something does: validate_change of its cpuset.c.</summary>
    private string ValueFor(CgroupSetting setting)
    {
        if (setting.Value.Length > 0 || setting.File is not ("cpuset.cpus" or "cpuset.mems") || _directory.IsRoot || !IsPopulated)
            return setting.Value;
        using CgroupDirectory? above = CgroupDirectory.TryOpen(_directory.MountPoint, _directory.Parts[..^1]);
        return above?.TryRead(setting.File + ".effective")?.Trim() ?? "";
    }

    /// <inheritdoc/>
    /// <remarks>Below an ordinary user's own instance of systemd, a process of another session of that user is moved by systemd
    /// (<c>AttachProcessesToUnit</c>): the user may not write to the control group above both.</remarks>
    public override void AddProcess(int processId)
    {
        var setting = new CgroupSetting("cgroup.procs", Text(processId));
        SyscallResult moved = _directory.TryWrite(setting.File, setting.Value, out string call);
        if (moved.Errno is Errno.EACCES or Errno.EPERM && UserManager.Find(_directory.Path) is { } manager
            && manager.TryAttach(_directory.Path, processId == 0 ? Environment.ProcessId : processId))
            return;
        moved.ThrowIfError($"set {setting.File} of cgroup \"{Path}\" to", $"\"{setting.Value}\"", call,
            CgroupHints.ForWrite(setting, moved.Errno));
    }

    /// <inheritdoc/>
    public override void AddThread(int threadId) => _directory.Write(new CgroupSetting("cgroup.threads", Text(threadId)));

    /// <summary>The ids of the threads in it: <c>cgroup.threads</c>.</summary>
    public ImmutableArray<int> ReadThreads() => [.. _directory.ReadIds("cgroup.threads")];

    /// <summary>What its members are: <c>cgroup.type</c>.</summary>
    public CgroupType ReadType() => _directory.IsRoot ? CgroupType.Domain : _directory.Read("cgroup.type").Trim() switch
    {
        "domain" => CgroupType.Domain,
        "domain threaded" => CgroupType.DomainThreaded,
        "domain invalid" => CgroupType.DomainInvalid,
        "threaded" => CgroupType.Threaded,
        { } other => throw new FormatException($"\"{other}\" is not a type of control group."),
    };

    /// <summary>Makes it hold threads, for good: its parent becomes a threaded domain.
    /// Writes <c>threaded</c> to <c>cgroup.type</c>.</summary>
    /// <exception cref="LinuxException"><c>EOPNOTSUPP</c>: domain controllers are enabled, or processes are in it.</exception>
    public void MakeThreaded() => _directory.Write(new CgroupSetting("cgroup.type", "threaded"));

    /// <summary>Gives the control group to a user: the directory, and the files that the kernel lists for that.</summary>
    /// <remarks>Changes the owner of what /sys/kernel/cgroup/delegate names: <c>cgroup.procs</c>, <c>cgroup.subtree_control</c>,
    /// <c>cgroup.threads</c> and others. Limits stay the giver's. See the kernel's cgroup-v2 guide, "Delegation". Sets the extended
    /// attribute <c>user.delegate</c> too, by which systemd tells programs that the group is theirs to divide (Linux 5.7).</remarks>
    /// <param name="userId">The new owner.</param>
    /// <param name="groupId">The new owning group.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: not privileged.</exception>
    public void Delegate(uint userId, uint groupId)
    {
        _directory.ChangeOwner("", userId, groupId);
        foreach (string file in Delegation.Files)
            _directory.ChangeOwner(file, userId, groupId);
        Delegation.Mark(_directory);
    }

    /// <summary>Reclaims memory until so much is free or nothing more can be had. Writes <c>memory.reclaim</c>. Since Linux 5.19.</summary>
    /// <exception cref="LinuxException"><c>EAGAIN</c>: less than that could be reclaimed.</exception>
    public void ReclaimMemory(ByteSize size) => _directory.Write(new CgroupSetting("memory.reclaim", size.ToString()));

    /// <inheritdoc/>
    public override string? Read(string file) => _directory.TryRead(file);

    internal override IEnumerable<CgroupDirectory> Directories => [_directory];

    internal override CgroupDirectory Main => _directory;

    internal override CgroupDirectory Unified => _directory;

    // What is saved up may not be above the quota: lowered first, raised last.
    private ImmutableArray<CgroupSetting> InOrder(ImmutableArray<CgroupSetting> settings) => CgroupSetting.BurstInOrder(settings,
        "cpu.max.burst", _directory.TryRead);

    private void Enable(string controller, int depth)
    {
        for (int i = 0; i <= depth; i++)
        {
            using CgroupDirectory above = CgroupDirectory.TryOpen(_directory.MountPoint, _directory.Parts[..i])
                ?? throw NoSuch(_directory.Parts[..i]);
            if (!above.Read("cgroup.controllers").Split(' ', '\n').Contains(controller))
                throw NoController(controller, above);
            if (!above.Read("cgroup.subtree_control").Split(' ', '\n').Contains(controller))
                above.Write(new CgroupSetting("cgroup.subtree_control", "+" + controller));
        }
    }

    private static KernelFeatureException NoController(string controller, CgroupDirectory above)
    {
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        if (hierarchies.V1.TryGetValue(controller == "io" ? "blkio" : controller, out CgroupMount? v1))
            return new($"the controller {controller} on version 2", $"it is in use on version 1, at {v1.MountPoint}",
                "Use Cgroup.Create, which writes each setting where its controller is mounted; or boot with cgroup_no_v1=all.");
        return above.IsRoot
            ? new($"the controller {controller}",
                "this kernel was built or booted without it, or it is not enabled for this part of the tree",
                "See cgroup.controllers in the root control group, and the kernel's cgroup_disable= parameter.")
            : new($"the controller {controller} in cgroup \"{above.Path}\"", "it is not enabled for it by the one above",
                "Enable it there: it must be in cgroup.subtree_control of every one above; under systemd with Delegate="
                    + controller + ".");
    }

    private ImmutableArray<string> Words(string file) =>
        [.. _directory.Read(file).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries)];

    private static CgroupMount Mount() => CgroupHierarchies.Read().V2
        ?? throw new KernelFeatureException("control groups of version 2", "cgroup2 is not mounted in this process's view",
            "Mount cgroup2 on /sys/fs/cgroup.");

    private static LinuxException NoSuch(string[] parts) => new("open", $"cgroup \"{CgroupPath.Join(parts)}\"", "openat(2)", Errno.ENOENT);

    private static string Text(int id) => id.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
