namespace Isolation.Namespaces;

/// <summary>Kinds of namespaces, by their clone flags. See namespaces(7).</summary>
[Flags]
public enum NamespaceKinds
{
    /// <summary>No kind.</summary>
    None = 0,

    /// <summary><c>CLONE_NEWTIME</c>: the monotonic and boot-time clocks. Since Linux 5.6. See time_namespaces(7).</summary>
    Time = 0x80,

    /// <summary><c>CLONE_NEWNS</c>: mounts. See mount_namespaces(7).</summary>
    Mount = 0x20000,

    /// <summary><c>CLONE_NEWCGROUP</c>: the root of the cgroup tree. Since Linux 4.6. See cgroup_namespaces(7).</summary>
    Cgroup = 0x2000000,

    /// <summary><c>CLONE_NEWUTS</c>: host name and NIS domain name. See uts_namespaces(7).</summary>
    Uts = 0x4000000,

    /// <summary><c>CLONE_NEWIPC</c>: System V IPC and POSIX message queues. See ipc_namespaces(7).</summary>
    Ipc = 0x8000000,

    /// <summary><c>CLONE_NEWUSER</c>: user and group ids, capabilities. See user_namespaces(7).</summary>
    User = 0x10000000,

    /// <summary><c>CLONE_NEWPID</c>: process ids. See pid_namespaces(7).</summary>
    Pid = 0x20000000,

    /// <summary><c>CLONE_NEWNET</c>: network devices, addresses, routes, sockets. See network_namespaces(7).</summary>
    Net = 0x40000000,

    /// <summary>All eight kinds.</summary>
    All = Time | Mount | Cgroup | Uts | Ipc | User | Pid | Net,
}
