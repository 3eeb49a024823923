using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Where a hierarchy of control groups is seen, and where the reading process is in it.</summary>
/// <param name="MountPoint">The directory that is the hierarchy's root to this process: where it is mounted or, where the mount shows more
/// than the process's cgroup namespace, that namespace's root below it.</param>
/// <param name="Self">The process's own control group, as a path below that: <c>/user.slice</c>; <c>/</c> for the root itself.</param>
public sealed record CgroupMount(string MountPoint, string Self)
{
    /// <summary>The path of <see cref="MountPoint"/> as /proc/PID/cgroup counts:
    /// not <c>/</c> where only a part of the hierarchy is mounted.</summary>
    internal string Root { get; init; } = "/";

    /// <summary>A path of /proc/PID/cgroup as one below the mount point; null where it lies outside of what this process may see.</summary>
    internal string? Below(string path) => CgroupHierarchies.Below(Root, path);

    /// <summary>Where a process is in this hierarchy, below the mount point; null where it has ended, or is outside of what this process
    /// may see.</summary>
    /// <param name="processId">The process's id.</param>
    /// <param name="controller">A controller of the hierarchy; the empty name for version 2's.</param>
    internal string? PathOf(int processId, string controller)
    {
        string id = processId.ToString(System.Globalization.CultureInfo.InvariantCulture);
        string? text = TextFile.ReadIfAllowed($"/proc/{id}/cgroup");
        return text is not null && CgroupHierarchies.ParseMembership(text).TryGetValue(controller, out string? path) ? Below(path) : null;
    }
}
