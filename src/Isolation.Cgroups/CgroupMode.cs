using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>How a host mounts its control groups.</summary>
public enum CgroupMode
{
    /// <summary>Nothing is mounted at /sys/fs/cgroup.</summary>
    None,

    /// <summary>Version 1 only: a mount for each controller.</summary>
    Legacy,

    /// <summary>Controllers on version 1, with a version 2 tree at /sys/fs/cgroup/unified.</summary>
    Hybrid,

    /// <summary>Version 2 only, at /sys/fs/cgroup.</summary>
    Unified,
}

/// <summary>Finds out how this host mounts its control groups.</summary>
public static class CgroupModes
{
    private const long CGROUP2_SUPER_MAGIC = 0x63677270, CGROUP_SUPER_MAGIC = 0x27e0eb;

    /// <summary>Reads the mode from the file system types below /sys/fs/cgroup (statfs(2)), as seen by the calling process.</summary>
    public static CgroupMode Detect()
    {
        if (FileSyscalls.FileSystemType("/sys/fs/cgroup") == CGROUP2_SUPER_MAGIC)
            return CgroupMode.Unified;
        if (FileSyscalls.FileSystemType("/sys/fs/cgroup/unified") == CGROUP2_SUPER_MAGIC)
            return CgroupMode.Hybrid;
        return Directory.Exists("/sys/fs/cgroup")
            && Directory.EnumerateDirectories("/sys/fs/cgroup").Any(d => FileSyscalls.FileSystemType(d) == CGROUP_SUPER_MAGIC)
            ? CgroupMode.Legacy
            : CgroupMode.None;
    }
}
