using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>Where a hierarchy of control groups is mounted, and where the reading process is in it.</summary>
/// <param name="MountPoint">The directory.</param>
/// <param name="Self">The process's own control group, as a path below the mount point: <c>/user.slice</c>; <c>/</c> for its root.</param>
public sealed record CgroupMount(string MountPoint, string Self);

/// <summary>Every hierarchy of control groups that a process sees: version 2's, and version 1's by controller. Read from
/// /proc/self/mountinfo and /proc/self/cgroup.</summary>
public sealed record CgroupHierarchies
{
    /// <summary>Version 2's mount; null where there is none.</summary>
    public CgroupMount? V2 { get; init; }

    /// <summary>Version 1's mounts by controller: <c>memory</c>, <c>cpuset</c>; named hierarchies as <c>name=systemd</c>.</summary>
    public ImmutableSortedDictionary<string, CgroupMount> V1 { get; init; } = ImmutableSortedDictionary.Create<string, CgroupMount>(StringComparer.Ordinal);

    /// <summary>How control groups are mounted.</summary>
    public CgroupMode Mode => V2 is null ? (V1.IsEmpty ? CgroupMode.None : CgroupMode.Legacy) : V1.Keys.Any(c => !c.StartsWith("name=", StringComparison.Ordinal)) ? CgroupMode.Hybrid : CgroupMode.Unified;

    /// <summary>Reads the hierarchies that this process sees now.</summary>
    public static CgroupHierarchies Read() => Parse(File.ReadAllText("/proc/self/mountinfo"), File.ReadAllText("/proc/self/cgroup"));

    /// <summary>Reads them from the texts of mountinfo and cgroup of one process.</summary>
    /// <exception cref="FormatException">A text does not have the form of proc_pid_mountinfo(5) or proc_pid_cgroup(5).</exception>
    public static CgroupHierarchies Parse(string mountInfo, string cgroup)
    {
        Dictionary<string, string> own = ParseMembership(cgroup);
        CgroupMount? v2 = null;
        var v1 = ImmutableSortedDictionary.CreateBuilder<string, CgroupMount>(StringComparer.Ordinal);
        foreach (MountInfo mount in MountInfo.Parse(mountInfo))
        {
            // The first is the lowest; one mounted over it is seen in its place and comes later with the same mount point.
            if (mount.FileSystemType == "cgroup2" && (v2 is null || v2.MountPoint == mount.MountPoint))
                v2 = new(mount.MountPoint, Below(mount.Root, own.GetValueOrDefault("", "/")));
            if (mount.FileSystemType != "cgroup")
                continue;
            foreach (string controller in mount.SuperOptions.Split(',').Where(own.ContainsKey))
                v1[controller] = new(mount.MountPoint, Below(mount.Root, own[controller]));
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

    // A mount may show only a part of the hierarchy: then paths begin at its root.
    private static string Below(string root, string path) =>
        root == "/" ? path : path == root ? "/" : path.StartsWith(root + "/", StringComparison.Ordinal) ? path[root.Length..] : "/";
}
