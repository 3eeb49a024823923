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
