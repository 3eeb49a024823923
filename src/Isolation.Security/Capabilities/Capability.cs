namespace Isolation.Security;

/// <summary>A capability of the kernel, by its number. Numbers that have no name here are kept.</summary>
/// <remarks>See capabilities(7).</remarks>
public enum Capability
{
    /// <summary><c>CAP_CHOWN</c>: Change file owners and groups.</summary>
    Chown = 0,

    /// <summary><c>CAP_DAC_OVERRIDE</c>: Bypass read, write and execute permission checks of files.</summary>
    DacOverride = 1,

    /// <summary><c>CAP_DAC_READ_SEARCH</c>: Bypass read permission of files and search permission of directories.</summary>
    DacReadSearch = 2,

    /// <summary><c>CAP_FOWNER</c>: Bypass checks that the caller owns the file.</summary>
    Fowner = 3,

    /// <summary><c>CAP_FSETID</c>: Keep set-user-ID and set-group-ID bits when a file changes.</summary>
    Fsetid = 4,

    /// <summary><c>CAP_KILL</c>: Send signals to any process.</summary>
    Kill = 5,

    /// <summary><c>CAP_SETGID</c>: Change group ids and supplementary groups.</summary>
    Setgid = 6,

    /// <summary><c>CAP_SETUID</c>: Change user ids.</summary>
    Setuid = 7,

    /// <summary><c>CAP_SETPCAP</c>: Drop capabilities from the bounding set, add them to the inheritable set.</summary>
    Setpcap = 8,

    /// <summary><c>CAP_LINUX_IMMUTABLE</c>: Set the immutable and append-only flags of files.</summary>
    LinuxImmutable = 9,

    /// <summary><c>CAP_NET_BIND_SERVICE</c>: Bind ports below 1024.</summary>
    NetBindService = 10,

    /// <summary><c>CAP_NET_BROADCAST</c>: Broadcast and listen to multicast.</summary>
    NetBroadcast = 11,

    /// <summary><c>CAP_NET_ADMIN</c>: Administer networks.</summary>
    NetAdmin = 12,

    /// <summary><c>CAP_NET_RAW</c>: Use raw and packet sockets.</summary>
    NetRaw = 13,

    /// <summary><c>CAP_IPC_LOCK</c>: Lock memory.</summary>
    IpcLock = 14,

    /// <summary><c>CAP_IPC_OWNER</c>: Bypass permission checks of System V IPC.</summary>
    IpcOwner = 15,

    /// <summary><c>CAP_SYS_MODULE</c>: Load and unload kernel modules.</summary>
    SysModule = 16,

    /// <summary><c>CAP_SYS_RAWIO</c>: Access I/O ports and raw devices.</summary>
    SysRawio = 17,

    /// <summary><c>CAP_SYS_CHROOT</c>: Use chroot(2), and setns(2) into mount namespaces.</summary>
    SysChroot = 18,

    /// <summary><c>CAP_SYS_PTRACE</c>: Trace any process.</summary>
    SysPtrace = 19,

    /// <summary><c>CAP_SYS_PACCT</c>: Switch process accounting.</summary>
    SysPacct = 20,

    /// <summary><c>CAP_SYS_ADMIN</c>: Mount, make namespaces, and much else.</summary>
    SysAdmin = 21,

    /// <summary><c>CAP_SYS_BOOT</c>: Reboot and kexec.</summary>
    SysBoot = 22,

    /// <summary><c>CAP_SYS_NICE</c>: Raise priorities, set schedulers and affinity of any process.</summary>
    SysNice = 23,

    /// <summary><c>CAP_SYS_RESOURCE</c>: Exceed resource limits and quotas.</summary>
    SysResource = 24,

    /// <summary><c>CAP_SYS_TIME</c>: Set the clocks.</summary>
    SysTime = 25,

    /// <summary><c>CAP_SYS_TTY_CONFIG</c>: Configure terminals, hang them up.</summary>
    SysTtyConfig = 26,

    /// <summary><c>CAP_MKNOD</c>: Make device nodes.</summary>
    Mknod = 27,

    /// <summary><c>CAP_LEASE</c>: Take leases on any file.</summary>
    Lease = 28,

    /// <summary><c>CAP_AUDIT_WRITE</c>: Write to the audit log.</summary>
    AuditWrite = 29,

    /// <summary><c>CAP_AUDIT_CONTROL</c>: Configure auditing.</summary>
    AuditControl = 30,

    /// <summary><c>CAP_SETFCAP</c>: Set capabilities of files.</summary>
    Setfcap = 31,

    /// <summary><c>CAP_MAC_OVERRIDE</c>: Override mandatory access control (Smack).</summary>
    MacOverride = 32,

    /// <summary><c>CAP_MAC_ADMIN</c>: Configure mandatory access control (Smack).</summary>
    MacAdmin = 33,

    /// <summary><c>CAP_SYSLOG</c>: Use privileged syslog(2) operations.</summary>
    Syslog = 34,

    /// <summary><c>CAP_WAKE_ALARM</c>: Set alarms that wake the system.</summary>
    WakeAlarm = 35,

    /// <summary><c>CAP_BLOCK_SUSPEND</c>: Block the system's suspend.</summary>
    BlockSuspend = 36,

    /// <summary><c>CAP_AUDIT_READ</c>: Read the audit log.</summary>
    AuditRead = 37,

    /// <summary><c>CAP_PERFMON</c>: Use performance monitoring.</summary>
    Perfmon = 38,

    /// <summary><c>CAP_BPF</c>: Use privileged BPF operations.</summary>
    Bpf = 39,

    /// <summary><c>CAP_CHECKPOINT_RESTORE</c>: Checkpoint and restore processes.</summary>
    CheckpointRestore = 40,
}
