using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Every hierarchy of control groups that a process sees: version 2's, and version 1's by controller. Read from
/// /proc/self/mountinfo and /proc/self/cgroup.</summary>
public sealed record CgroupHierarchies
{
    /// <summary>Version 2's mount; null where there is none.</summary>
    public CgroupMount? V2 { get; init; }

    /// <summary>Version 1's mounts by controller: <c>memory</c>, <c>cpuset</c>; named hierarchies as <c>name=systemd</c>.</summary>
    public ImmutableSortedDictionary<string, CgroupMount> V1 { get; init; } =
        ImmutableSortedDictionary.Create<string, CgroupMount>(StringComparer.Ordinal);

    /// <summary>How control groups are mounted.</summary>
    public CgroupMode Mode => V2 is null ? (V1.IsEmpty ? CgroupMode.None : CgroupMode.Legacy)
        : V1.Keys.Any(c => !c.StartsWith("name=", StringComparison.Ordinal)) ? CgroupMode.Hybrid
        : CgroupMode.Unified;

    /// <summary>Reads the hierarchies that this process sees now.</summary>
    public static CgroupHierarchies Read() =>
        Parse(TextFile.Read("/proc/self/mountinfo"), TextFile.Read("/proc/self/cgroup"), NamespaceRoot.Find);

    /// <summary>Reads them from the texts of mountinfo and cgroup of one process. A mount that is hidden by another, or that does not show
    /// the process's own control group, is none of them; nor is one whose root lies above the process's cgroup namespace, which a text
    /// cannot place.</summary>
    /// <exception cref="FormatException">A text does not have the form of proc_pid_mountinfo(5) or proc_pid_cgroup(5).</exception>
    public static CgroupHierarchies Parse(string mountInfo, string cgroup) => Parse(mountInfo, cgroup, (_, _, _) => null);

    /// <param name="mountInfo">The text of mountinfo.</param>
    /// <param name="cgroup">The text of cgroup.</param>
    /// <param name="findNamespaceRoot">Finds the cgroup namespace's root below a mount point: so many levels below, and with this process
    /// in the control group of that path below it.</param>
    internal static CgroupHierarchies Parse(string mountInfo, string cgroup, Func<string, int, string, string?> findNamespaceRoot)
    {
        ArgumentNullException.ThrowIfNull(mountInfo);
        Dictionary<string, string> own = ParseMembership(cgroup);
        ImmutableArray<MountInfo> mounts = MountInfo.Parse(mountInfo);
        CgroupMount? v2 = null;
        var v1 = ImmutableSortedDictionary.CreateBuilder<string, CgroupMount>(StringComparer.Ordinal);
        IEnumerable<MountInfo> visible = mounts.Where(m => m.FileSystemType is "cgroup" or "cgroup2"
            && MountInfo.Find(mounts, m.MountPoint) == m);
        foreach (MountInfo mount in visible)
        {
            if (mount.FileSystemType == "cgroup2")
            {
                v2 ??= Locate(mount, own.GetValueOrDefault("", "/"), findNamespaceRoot);
                continue;
            }

            foreach (string controller in mount.SuperOptions.Split(',').Where(c => own.ContainsKey(c) && !v1.ContainsKey(c)))
            {
                if (Locate(mount, own[controller], findNamespaceRoot) is { } located)
                    v1[controller] = located;
            }
        }

        return new CgroupHierarchies { V2 = v2, V1 = v1.ToImmutable() };
    }

    /// <summary>Reads /proc/PID/cgroup: the path by controller, version 2's under the empty name.</summary>
    internal static Dictionary<string, string> ParseMembership(string cgroup)
    {
        ArgumentNullException.ThrowIfNull(cgroup);
        var own = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string line in cgroup.Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] fields = line.Split(':', 3);
            if (fields.Length != 3 || !fields[2].StartsWith('/'))
                throw new FormatException($"\"{line}\" is not a line of proc_pid_cgroup(5).");
            foreach (string controller in fields[1].Split(','))
                own[controller] = fields[2];
        }

        return own;
    }

    /// <summary>A path of /proc/PID/cgroup below a mount's root; null where it is not below.</summary>
    internal static string? Below(string root, string path) =>
        HasStepsUp(path) ? null
            : root == "/" ? path
            : path == root ? "/"
            : path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..] : null;

    // Both paths count from the root of the process's cgroup namespace:
    // each "/.." at the beginning is a level above it, and not the process's.
    private static CgroupMount? Locate(MountInfo mount, string own, Func<string, int, string, string?> findNamespaceRoot)
    {
        if (!HasStepsUp(mount.Root))
            return Below(mount.Root, own) is { } self ? new(mount.MountPoint, self) { Root = mount.Root } : null;
        string[] steps = mount.Root.Split('/', StringSplitOptions.RemoveEmptyEntries);
        bool isAbove = steps.All(s => s == "..") && !HasStepsUp(own);
        return isAbove && findNamespaceRoot(mount.MountPoint, steps.Length, own) is { } root ? new(root, own) : null;
    }

    private static bool HasStepsUp(string path) => path == "/.." || path.StartsWith("/../", StringComparison.Ordinal);
}
