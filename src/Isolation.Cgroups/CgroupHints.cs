using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>What to add to an error: only where the errno misleads or the remedy is known.</summary>
internal static class CgroupHints
{
    private const string NotDelegated = "The control group is not delegated to this user: "
        + "its owner must give it, with cgroup.procs and cgroup.subtree_control, to the user; under systemd with Delegate=yes.";

    internal static string? ForCreate(Errno errno) => errno switch
    {
        Errno.EACCES or Errno.EPERM => NotDelegated,
        Errno.EROFS => "The hierarchy is mounted read-only, as in most containers; remount it, or let the outer container delegate it.",
        Errno.EAGAIN => "A limit of cgroup.max.depth or cgroup.max.descendants was reached.",
        _ => null,
    };

    internal static string? ForDelete(Errno errno) => errno switch
    {
        Errno.EBUSY => "Processes are in it, or below it; kill them or move them first.",
        Errno.EACCES or Errno.EPERM => NotDelegated,
        _ => null,
    };

    internal static string? ForFile(string file, Errno errno) => errno switch
    {
        Errno.ENOENT when file.StartsWith("cgroup.", StringComparison.Ordinal) =>
            "This kernel has no such file, or the control group is the root.",
        Errno.ENOENT => $"The controller {file.Split('.')[0]} is not enabled for it, or this kernel has no such file.",
        Errno.EACCES or Errno.EPERM => NotDelegated,
        Errno.EROFS => "The hierarchy is mounted read-only.",
        Errno.ENODEV => "The control group was deleted.",
        _ => null,
    };

    internal static string? ForWrite(CgroupSetting setting, Errno errno) => (setting.File, errno) switch
    {
        ("cgroup.subtree_control", Errno.EBUSY) => "The cgroup holds processes itself; move them into a child first.",
        ("cgroup.subtree_control", Errno.ENOENT) => "The controller is not available to it: enable it in the cgroup above.",
        ("cgroup.subtree_control", Errno.EOPNOTSUPP) => "It is threaded, and the controller does not work with threads.",
        ("cgroup.procs", Errno.EBUSY) =>
            "It has controllers enabled for its children, so it cannot hold processes itself; use a child of it.",
        ("cgroup.procs", Errno.EOPNOTSUPP) => "It is threaded, or below a threaded one; move threads by cgroup.threads.",
        ("cgroup.procs" or "cgroup.threads" or "tasks", Errno.ESRCH) => "There is no such process.",
        ("cgroup.procs" or "cgroup.threads" or "tasks", Errno.EACCES or Errno.EPERM) =>
            "Moving needs write permission for cgroup.procs of this one and of the nearest one above both; "
                + "under systemd a scope with Delegate=yes.",
        ("cgroup.procs" or "tasks", Errno.ENOSPC) => "Its cpuset.cpus or cpuset.mems is empty.",
        ("cgroup.procs" or "tasks", Errno.EINVAL) =>
            "The process cannot be moved: a kernel thread, or one with real-time scheduling and no real-time budget here.",
        ("cgroup.type", Errno.EOPNOTSUPP or Errno.EINVAL) =>
            "Only threaded can be written, and only where no domain controller is enabled.",
        ("net_prio.ifpriomap", Errno.ENODEV) => "There is no such interface in this process's network namespace.",
        ("rdma.max" or "dmem.max" or "dmem.min" or "dmem.low" or "misc.max", Errno.ENODEV or Errno.EINVAL) =>
            $"There is no such device or resource; the root control group has them in {setting.Controller}.capacity or rdma.current.",
        (_, Errno.ENODEV) when setting.IsPerDevice => "There is no such block device; a partition counts with its whole disk.",
        ("memory.limit_in_bytes" or "memory.memsw.limit_in_bytes", Errno.EBUSY) =>
            "It uses more than that, and the kernel could not reclaim enough.",
        ("memory.limit_in_bytes" or "memory.memsw.limit_in_bytes", Errno.EINVAL) =>
            "The limit of memory and swap together cannot be below that of memory alone.",
        ("cpu.cfs_quota_us" or "cpu.cfs_period_us" or "cpu.max", Errno.EINVAL) =>
            "The quota must be at least 1 ms, the period 1 ms to 1 s, and on version 1 not above the parent's.",
        ("cpu.rt_runtime_us", Errno.EINVAL or Errno.EBUSY) => "The parent has not that much real-time budget left.",
        ("cpuset.cpus", Errno.EINVAL or Errno.ERANGE or Errno.EACCES) =>
            "The processors must exist, and on version 1 be among the parent's.",
        ("cpuset.mems", Errno.EINVAL or Errno.ERANGE or Errno.EACCES) =>
            "The memory nodes must exist, and on version 1 be among the parent's.",
        (_, Errno.ENOENT) => ForFile(setting.File, errno),
        (_, Errno.EINVAL or Errno.ERANGE) => "The kernel does not take this value.",
        _ => ForFile(setting.File, errno),
    };
}
