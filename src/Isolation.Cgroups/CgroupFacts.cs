using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>What is known of control groups on a host and of what this process may do with them:
/// read once, and all that a plan looks at.</summary>
public sealed record CgroupFacts
{
    /// <summary>Where the hierarchies are mounted.</summary>
    public CgroupHierarchies Hierarchies { get; init; } = new();

    /// <summary>How control groups are mounted.</summary>
    public CgroupMode Mode => Hierarchies.Mode;

    /// <summary>The control group below which a container gets its own, in version 2's hierarchy: this process's own, where that is
    /// delegated; a scope of its own where an ordinary user's systemd can be asked for one; for root the hierarchy's root, unless a limit
    /// of memory, CPU time, processors or I/O is set between that and this process's own, or this process is in a leaf named
    /// <c>isolation-own</c>: then the one above that.</summary>
    public string Parent { get; init; } = "/";

    /// <summary>The controllers that control groups below <see cref="Parent"/> may have on version 2.</summary>
    public ImmutableArray<string> Controllers { get; init; } = [];

    /// <summary>Those of them that are enabled for the control groups below already.</summary>
    public ImmutableArray<string> Enabled { get; init; } = [];

    /// <summary>Why this process can make no control group; null where it can.</summary>
    public string? Obstacle { get; init; }

    /// <summary>What to do about <see cref="Obstacle"/>.</summary>
    public string? Remedy { get; init; }

    /// <summary>On version 1, the processors of the control group above, which one below must be given.</summary>
    public string V1Cpus { get; init; } = "";

    /// <summary>On version 1, the memory nodes of the control group above, which one below must be given.</summary>
    public string V1Mems { get; init; } = "";

    /// <summary>The files that change their owner with a control group that is given away.</summary>
    public ImmutableArray<string> DelegatedFiles { get; init; } = ["cgroup.procs", "cgroup.threads", "cgroup.subtree_control"];

    /// <summary>Whether only BFQ has I/O weights here.</summary>
    public bool HasOnlyBfqWeights { get; init; }

    /// <summary>Whether any I/O scheduler has weights here.</summary>
    public bool HasIoWeights { get; init; } = true;

    /// <summary>Whether <see cref="Parent"/> is the root of a cgroup namespace, or below it, and not the hierarchy's.</summary>
    internal bool IsNamespaced { get; init; }

    /// <summary>The scope of the user's systemd that <see cref="Parent"/> is, and which is started with the first container that needs a
    /// control group; null where this process has a place already.</summary>
    internal PlannedScope? Scope { get; init; }

    /// <summary>Whether all processes in <see cref="Parent"/> may be moved to make room, and not only this program's own: it is the
    /// superuser's, or a cgroup namespace's.</summary>
    internal bool MovesAll { get; init; } = true;

    /// <summary>The control group that a program moves itself to, so that its own may have controllers
    /// enabled for those of its containers.</summary>
    internal const string OwnLeaf = "isolation-own";

    /// <summary>Reads the facts of this host. What cannot be read is an obstacle, not an error.</summary>
    public static CgroupFacts Probe()
    {
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        try
        {
            return hierarchies.Mode switch
            {
                CgroupMode.Unified => ProbeV2(hierarchies) with { DelegatedFiles = Delegation.Files },
                CgroupMode.Hybrid or CgroupMode.Legacy => ProbeV1(hierarchies) with { DelegatedFiles = Delegation.Files },
                _ => new CgroupFacts { Obstacle = "no control groups are mounted", Remedy = "Mount cgroup2 on /sys/fs/cgroup." },
            };
        }
        catch (LinuxException e) when (!e.Errno.IsPassing())
        {
            return new CgroupFacts
            {
                Hierarchies = hierarchies,
                Obstacle = e.Message.TrimEnd('.'),
                Remedy = "Let this process read its own control group, as in an outer container with a cgroup namespace."
            };
        }
    }

    private static CgroupFacts ProbeV2(CgroupHierarchies hierarchies)
    {
        CgroupMount mount = hierarchies.V2!;
        bool isRoot = RawSyscall.Invoke(Syscall.geteuid).Value == 0;
        // Where it has made room for containers already, or was started in such a place, they are beside it.
        bool hasRoom = mount.Self.EndsWith("/" + OwnLeaf, StringComparison.Ordinal);
        string own = hasRoom ? mount.Self[..^(OwnLeaf.Length + 1)] : mount.Self;
        // The superuser of the host, and not of a user namespace.
        bool isHosts = isRoot && CgroupDirectory.TryOpen(mount.MountPoint, []) is { } top && MayDivide(top);
        string? obstacle = null;
        foreach (string path in isRoot && own != "/" && !hasRoom && !IsLimited(mount, own) ? new[] { "/", own } : [own])
        {
            using CgroupDirectory? parent = CgroupDirectory.TryOpen(mount.MountPoint, CgroupPath.Parts(path, "/"));
            if (parent is null || !parent.IsWritable("cgroup.procs") || !parent.IsWritable("cgroup.subtree_control")
                || !FileSyscalls.IsAccessible(parent.Handle, ".", 2))
                continue;
            // A cgroup namespace's root may have a unit's name: that of the directory it is found at.
            bool isUnit = Delegation.IsUnit(parent.IsRoot ? System.IO.Path.GetFileName(parent.MountPoint) : parent.Parts[^1]);
            bool movesAll = isHosts || (isRoot && parent.IsRoot && !isUnit);
            if (!movesAll && !hasRoom && isUnit && !Delegation.IsMarked(parent)
                && UserManager.Find(parent.Path)?.IsDelegated(parent.Path) != true)
                continue;
            if (!movesAll && CgroupFamily.Strangers(parent.ReadIds("cgroup.procs")) is { Length: > 0 } strangers)
            {
                obstacle = Strangers(parent, strangers);
                continue;
            }

            string[] controllers = Words(parent, "cgroup.controllers");
            return new CgroupFacts
            {
                Hierarchies = hierarchies,
                Parent = parent.Path,
                MovesAll = movesAll,
                Controllers = [.. controllers],
                // Every control group but the real root has a type: "Core Interface Files" of the kernel's cgroup-v2 guide.
                IsNamespaced = parent.Has("cgroup.type"),
                Enabled = [.. Words(parent, "cgroup.subtree_control")],
                // io.weight is the cost model's; the root has its settings, and only control groups below the weight.
                HasOnlyBfqWeights = !parent.Has("io.cost.qos") && !parent.Has("io.weight"),
            };
        }

        if (UserManager.Find(mount.Self) is { } manager
            && manager.PlanScope(mount.Self, levels => levels.Any(l => IsLimitedAt(mount, l))) is { } scope
            && CgroupDirectory.TryOpen(mount.MountPoint, CgroupPath.Parts(manager.Root, "/")) is { } managers)
        {
            return new CgroupFacts
            {
                Hierarchies = hierarchies,
                Parent = scope.Path,
                Scope = scope,
                MovesAll = false,
                // Delegate=yes gives a unit all that its manager has.
                Controllers = ReadAndClose(managers, "cgroup.controllers"),
                IsNamespaced = true,
            };
        }

        return new CgroupFacts
        {
            Hierarchies = hierarchies,
            Parent = mount.Self,
            Obstacle = obstacle
                ?? $"the control group \"{mount.Self}\" of this process is not delegated to its user, or is mounted read-only",
            Remedy = isRoot
                ? Writable + "; in a user namespace, start the program by systemd-run --user --scope -p Delegate=yes PROGRAM first."
                : "Start the program by systemd-run --user --scope -p Delegate=yes PROGRAM; "
                    + "or have root make a control group, give it away by CgroupV2.Delegate and start the program in it.",
        };
    }

    /// <summary>Whether a container below the hierarchy's root would be outside of a limit that this process is in. One of processes is
    /// none: systemd sets it for everything.</summary>
    private static bool IsLimited(CgroupMount mount, string own)
    {
        string[] parts = CgroupPath.Parts(own, "/");
        return Enumerable.Range(1, parts.Length).Any(n => IsLimitedAt(mount, CgroupPath.Join(parts[..n])));
    }

    private static bool IsLimitedAt(CgroupMount mount, string path)
    {
        using CgroupDirectory? level = CgroupDirectory.TryOpen(mount.MountPoint, CgroupPath.Parts(path, "/"));
        // The words for "no limit", of the kernel's cgroup-v2 guide.
        return level is null || s_limits.Any(l => level.TryRead(l.File)?.Trim().Split(' ')[0] is { } value && value != l.None);
    }

    private static bool MayDivide(CgroupDirectory directory)
    {
        using (directory)
            return directory.IsWritable("cgroup.procs") && !directory.Has("cgroup.type");
    }

    /// <summary>Why no room can be made in a control group.</summary>
    internal static string Strangers(CgroupDirectory group, int[] strangers) => strangers[0] == 0
        ? $"a process from outside of this PID namespace is in the control group \"{group.Path}\""
        : string.Create(CultureInfo.InvariantCulture, $"process {strangers[0]} is in the control group \"{group.Path}\" of this one, ")
            + "and not of this program";

    // To the superuser, of a user namespace too, a container of another engine is the usual reason.
    private const string Writable = "Have it mounted writable, as an outer container does with --privileged";

    private static readonly (string File, string None)[] s_limits =
    [
        ("memory.max", "max"), ("memory.high", "max"), ("memory.swap.max", "max"), ("cpu.max", "max"),
        ("cpuset.cpus", ""), ("cpuset.mems", ""),
        ("io.max", ""),
    ];

    private static CgroupFacts ProbeV1(CgroupHierarchies hierarchies)
    {
        CgroupMount first = hierarchies.V1.TryGetValue("memory", out CgroupMount? memory) ? memory : hierarchies.V1.Values.First();
        using CgroupDirectory? own = CgroupDirectory.TryOpen(first.MountPoint, CgroupPath.Parts(first.Self, "/"));
        if (own is null || !FileSyscalls.IsAccessible(own.Handle, ".", 2))
        {
            return new CgroupFacts
            {
                Hierarchies = hierarchies,
                Obstacle = $"the version 1 control group \"{first.Self}\" may not be changed by this user, or is mounted read-only",
                Remedy = RawSyscall.Invoke(Syscall.geteuid).Value == 0
                    ? Writable + "; to a user namespace version 1 cannot be delegated safely."
                    : "Version 1 cannot be delegated safely to ordinary users; run as root, or use a host with version 2.",
            };
        }

        using CgroupDirectory? cpuset = hierarchies.V1.TryGetValue("cpuset", out CgroupMount? mount)
            ? CgroupDirectory.TryOpen(mount.MountPoint, CgroupPath.Parts(mount.Self, "/"))
            : null;
        using CgroupDirectory? blkio = hierarchies.V1.TryGetValue("blkio", out mount)
            ? CgroupDirectory.TryOpen(mount.MountPoint, CgroupPath.Parts(mount.Self, "/"))
            : null;
        return new CgroupFacts
        {
            Hierarchies = hierarchies,
            Controllers = hierarchies.V2 is { } v2 && CgroupDirectory.TryOpen(v2.MountPoint, CgroupPath.Parts(v2.Self, "/")) is { } root
                ? ReadAndClose(root, "cgroup.controllers")
                : [],
            Enabled = hierarchies.V2 is { } unified && CgroupDirectory.TryOpen(unified.MountPoint,
                CgroupPath.Parts(unified.Self, "/")) is { } top ? ReadAndClose(top, "cgroup.subtree_control") : [],
            V1Cpus = cpuset?.Read("cpuset.cpus").Trim() ?? "",
            V1Mems = cpuset?.Read("cpuset.mems").Trim() ?? "",
            HasOnlyBfqWeights = blkio?.Has("blkio.weight") != true,
            HasIoWeights = blkio is not null && (blkio.Has("blkio.weight") || blkio.Has("blkio.bfq.io_serviced")),
        };
    }

    private static ImmutableArray<string> ReadAndClose(CgroupDirectory directory, string file)
    {
        using (directory)
            return [.. Words(directory, file)];
    }

    private static string[] Words(CgroupDirectory directory, string file) =>
        directory.Read(file).Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries);
}
