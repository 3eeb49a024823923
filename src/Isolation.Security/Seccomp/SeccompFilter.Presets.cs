using Isolation.Linux;

namespace Isolation.Security;

public sealed partial class SeccompFilter
{
    // CLONE_NEW* of linux/sched.h; NEWTIME shares its bit with the exit signal of clone(2), which has no room for it.
    internal const ulong NewNamespaces = 0x7E020000;

    private const ulong AF_VSOCK = 40, AF_ALG = 38;

    // ioctl(2) requests that put input into a terminal that is shared with another session.
    private const uint TIOCSTI = 0x5412, TIOCLINUX = 0x541C;

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<CapabilitySet, SeccompFilter> s_defaults = new();

    private static readonly (Capability Capability, string[] Syscalls)[] s_capabilityCalls =
    [
        (Capability.DacReadSearch, ["open_by_handle_at"]),
        (Capability.SysBoot, ["reboot"]),
        (Capability.SysChroot, ["chroot", "fchroot"]),
        (Capability.SysModule, ["@module"]),
        (Capability.SysPacct, ["acct"]),
        (Capability.SysPtrace, ["kcmp", "pidfd_getfd", "process_madvise", "process_vm_readv", "process_vm_writev", "ptrace"]),
        (Capability.SysRawio, ["ioperm", "iopl"]),
        (Capability.SysTime, ["settimeofday", "stime", "clock_settime", "clock_settime64"]),
        (Capability.SysTtyConfig, ["vhangup"]),
        (Capability.SysNice, ["get_mempolicy", "mbind", "set_mempolicy", "set_mempolicy_home_node", "migrate_pages", "move_pages"]),
        (Capability.Syslog, ["syslog"]),
        (Capability.Bpf, ["bpf"]),
        (Capability.Perfmon, ["perf_event_open"]),
    ];

    /// <summary>The filter of containers that ask for no other: Docker's capabilities, on this architecture.</summary>
    public static SeccompFilter Default => DefaultFor(CapabilitySet.DockerDefault);

    // Each is made when it is asked for: a program that starts one container needs one of them.

    /// <summary>Only read(2), write(2), exit(2), exit_group(2) and sigreturn: what <c>SECCOMP_MODE_STRICT</c> allows. Everything else kills
    /// the process. Not for a program that is yet to be executed, and not for a managed thread.</summary>
    public static SeccompFilter Strict => field ??= Of(SeccompAction.KillProcess)
        .Allow("read", "write", "exit", "exit_group", "rt_sigreturn", "sigreturn");

    /// <summary>Everything but sockets other than Unix ones: <c>EACCES</c>. io_uring and i386's socketcall,
    /// which lead to sockets as well, are refused too.</summary>
    public static SeccompFilter NoNetwork => field ??= Of(SeccompAction.Allow)
        .Add(SeccompAction.Errno(Errno.EACCES), "socket", SeccompCondition.MaskedEqual(0, 0xffffffff, 0)) // AF_UNSPEC
        .Add(SeccompAction.Errno(Errno.EACCES), "socket", SeccompCondition.NotEqual(0, 1)) // AF_UNIX
        .Add(SeccompAction.Errno(Errno.ENOSYS), "@io-uring");

    /// <summary>What a CLR needs, and an ASP.NET service on it: <c>@system-service</c> without further privileges.
    /// A program that is started under it may be any other.</summary>
    public static SeccompFilter DotNet => field ??= Of(SeccompAction.Deny)
        .Allow("@default", "@basic-io", "@file-system", "@introspection", "@io-event", "@memlock", "@network-io", "@process",
            "@signal", "@sync", "@timer")
        .Allow("pipe2", "memfd_create", "sched_setaffinity", "setpriority", "setrlimit", "set_mempolicy", "mbind", "pkey_alloc",
            "pkey_free", "pkey_mprotect")
        .Without("personality", "mknod", "mknodat", "clone", "clone3")
        .Add(SeccompAction.Errno(Errno.ENOSYS), "clone3")
        .Add(SeccompAction.Allow, "clone", SeccompCondition.MaskedEqual(0, NewNamespaces, 0))
        .Add(SeccompAction.Allow, "personality", SeccompCondition.LowEqual(0, uint.MaxValue))
        .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, TIOCSTI))
        .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, TIOCLINUX))
        .Add(SeccompAction.Errno(Errno.ENOSYS), "@io-uring")
        .WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS));

    /// <summary>The filter of containers, for the capabilities that they have.</summary>
    /// <remarks>An allow-list. Refused with <c>EPERM</c>: keys, modules, mounts, namespaces, tracing, BPF, clocks, swap, io_uring,
    /// userfaultfd, TIOCSTI and TIOCLINUX, sockets of AF_VSOCK and AF_ALG. A capability allows the calls that it is needed for, and nothing
    /// else does. <c>ENOSYS</c>: clone3, whose flags a filter cannot see, and calls newer than the table. Calls of other architectures
    /// kill.</remarks>
    /// <param name="capabilities">What the program's bounding set has.</param>
    public static SeccompFilter DefaultFor(CapabilitySet capabilities) => s_defaults.GetOrAdd(capabilities, MakeDefault);

    private static SeccompFilter MakeDefault(CapabilitySet capabilities)
    {
        SeccompFilter filter = Of(SeccompAction.Deny)
            .Allow("@system-service")
            // reading the clock's state needs no capability
            .Allow("fanotify_mark", "process_mrelease", "statmount", "listmount", "modify_ldt", "adjtimex",
                "clock_adjtime", "clock_adjtime64")
            .Without("mbind", "migrate_pages", "move_pages", "set_mempolicy", "set_mempolicy_home_node", "get_mempolicy", "personality",
                "clone", "clone3", "socket")
            .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, TIOCSTI))
            .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, TIOCLINUX))
            .Add(SeccompAction.Allow, "socket", SeccompCondition.LessThan(0, AF_ALG))
            .Add(SeccompAction.Allow, "socket", SeccompCondition.Equal(0, AF_ALG + 1))
            .Add(SeccompAction.Allow, "socket", SeccompCondition.GreaterThan(0, AF_VSOCK))
            .WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS));
        // Plain Linux, the 32-bit uname, no address randomisation, and the question what it is.
        foreach (uint persona in new uint[] { 0, 0x0008, 0x20000, 0x20008, uint.MaxValue })
            filter = filter.Add(SeccompAction.Allow, "personality", SeccompCondition.Equal(0, persona));
        filter = capabilities.Contains(Capability.SysAdmin)
            ? filter.Allow("@mount", "@namespace", "bpf", "clone", "clone3", "fanotify_init", "lookup_dcookie", "perf_event_open",
                "quotactl", "quotactl_fd", "setdomainname", "sethostname", "syslog")
                .Without("chroot", "pivot_root", "fchroot")
            : filter.Add(SeccompAction.Allow, "clone", SeccompCondition.MaskedEqual(0, NewNamespaces, 0))
                .Add(SeccompAction.Errno(Errno.ENOSYS), "clone3");
        foreach ((Capability capability, string[] syscalls) in s_capabilityCalls)
        {
            if (capabilities.Contains(capability))
                filter = filter.Allow(syscalls);
        }

        return filter;
    }
}
