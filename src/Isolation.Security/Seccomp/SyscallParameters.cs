using System.Collections.Frozen;

namespace Isolation.Security;

/// <summary>How many bits of each argument a call takes, where it takes fewer than a register holds.</summary>
/// <remarks>A program may set the bits above, and a filter sees them: compared as well, they are a way around a refusal. The widths are
/// those of the kernel's definitions (<c>SYSCALL_DEFINE</c>) for x86-64 and arm64, which a kernel lists in
/// /sys/kernel/tracing/events/syscalls. 32-bit architectures hand over 32 bits anyway.</remarks>
internal static class SyscallParameters
{
    // i: an int, or another type of 32 bits; m: a mode_t, 16 bits in the kernel; l: a whole register, as is what is left out at the end.
    // Declared as a long, of which the kernel takes the low half: clone's flags, the descriptors of readv and its kin and of
    // mmap, ptrace's process.
    private const string Signatures =
        """
        i: accept alarm arch_prctl clock_adjtime clock_getres clock_gettime clock_settime clone close dup epoll_create
            epoll_create1 eventfd exit exit_group fchdir fdatasync fgetxattr flistxattr fremovexattr fstat fstatfs fsync ftruncate
            futimesat get_robust_list getgroups getitimer getpeername getpgid getrlimit getrusage getsid getsockname inotify_init1
            io_setup io_uring_setup iopl keyctl memfd_secret migrate_pages mlockall modify_ldt mq_getsetattr mq_notify
            mq_timedreceive openat2 personality pkey_free prctl pread64 preadv process_vm_readv process_vm_writev pselect6
            pwrite64 pwritev read readahead readv rt_sigaction rt_sigprocmask sched_get_priority_max sched_get_priority_min
            sched_getparam sched_getscheduler sched_rr_get_interval sched_setparam select set_mempolicy setfsgid setfsuid setgid
            setgroups setitimer setrlimit setuid signalfd syncfs sysfs timer_create timer_delete timer_getoverrun timer_gettime
            timerfd_gettime umask userfaultfd ustat write writev
        ii: clock_nanosleep dup2 eventfd2 fallocate fanotify_init fchroot fcntl flock getpriority inotify_rm_watch ioctl
            ioprio_get kexec_file_load kill landlock_restrict_self listen msgctl msgget pidfd_open prlimit64 process_mrelease
            rt_sigqueueinfo sched_getaffinity sched_setaffinity sched_setscheduler seccomp sendfile setns setpgid setregid
            setreuid shmctl shutdown timer_settime timerfd_create timerfd_settime tkill
        im: fchmod
        li: access delete_module fsopen memfd_create pipe2 ppoll ptrace setdomainname sethostname swapon symlinkat umount2
        lm: chmod creat mkdir
        iii: close_range dup3 epoll_ctl fchown fsmount getsockopt ioprio_set kcmp membarrier pidfd_getfd quotactl_fd reboot
            rt_tgsigqueueinfo semctl semget setpriority setresgid setresuid socket socketpair tgkill
        ili: bind bpf connect epoll_pwait2 faccessat finit_module fspick getdents getdents64 getxattrat inotify_add_watch
            listxattrat lseek mount_setattr open_by_handle_at open_tree open_tree_attr quotactl recvmsg removexattrat renameat
            sched_setattr semop semtimedop sendmsg setxattrat shmat shmget syslog unlinkat wait4
        ilm: fchmodat mkdirat
        lii: chown lchown poll
        lim: mq_open open
        lli: getrandom ioperm landlock_create_ruleset lsm_list_modules madvise map_shadow_stack mlock2 msync readlink
        lmi: mknod
        iiii: io_uring_enter
        iili: fanotify_mark io_uring_register landlock_add_rule pidfd_send_signal tee waitid
        ilii: epoll_pwait epoll_wait faccessat2 lsm_set_self_attr recvmmsg sched_getattr sendmmsg statx
        ilim: openat
        illi: accept4 cachestat fadvise64 lsm_get_self_attr mq_timedsend msgsnd newfstatat readlinkat recvfrom signalfd4
            sync_file_range utimensat vmsplice
        ilmi: fchmodat2 mknodat
        liii: futex_requeue perf_event_open rseq
        llii: futex_wake
        llli: listmount listns pkey_mprotect request_key statmount
        iiili: setsockopt
        iilli: fsconfig
        iliii: fchownat
        ilili: linkat move_mount renameat2
        illii: process_madvise
        illli: execveat file_getattr file_setattr fsetxattr msgrcv name_to_handle_at
        liili: futex_waitv
        lllli: add_key lsetxattr mmap setxattr
        ililli: copy_file_range splice
        illili: sendto
        illlli: move_pages preadv2 pwritev2
        liilli: futex
        lllili: futex_wait
        llllli: mbind
        """;

    private static readonly Lazy<FrozenDictionary<string, string>> s_signatures = new(Parse);

    /// <summary>The bits of an argument that the kernel takes; all ones where it takes the register or the call is not known.</summary>
    internal static ulong Mask(string? syscall, int argument) =>
        syscall is not null && s_signatures.Value.TryGetValue(syscall, out string? signature) && argument < signature.Length
            ? signature[argument] switch { 'i' => uint.MaxValue, 'm' => ushort.MaxValue, _ => ulong.MaxValue }
            : ulong.MaxValue;

    /// <summary>The names of the calls that have a narrow parameter.</summary>
    internal static IEnumerable<string> Narrow => s_signatures.Value.Keys;

    private static FrozenDictionary<string, string> Parse()
    {
        var signatures = new Dictionary<string, string>(512, StringComparer.Ordinal);
        string signature = "";
        foreach (string word in Signatures.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries))
        {
            if (word[^1] == ':')
                signature = word[..^1];
            else
                signatures.Add(word, signature);
        }

        return signatures.ToFrozenDictionary(StringComparer.Ordinal);
    }
}
