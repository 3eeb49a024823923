namespace Isolation.Security;

public sealed partial record SyscallGroup
{
    private static (string Name, string Summary, string Syscalls)[] Definitions =>
    [
        ("@default", "what every program needs: memory, time, ids, its own end", """
            arch_prctl brk cacheflush clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep clock_nanosleep_time64
            execve exit exit_group futex futex_requeue futex_time64 futex_wait futex_waitv futex_wake get_robust_list get_thread_area
            getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups getgroups32 getpgid getpgrp getpid getppid getrandom getresgid
            getresgid32 getresuid getresuid32 getrlimit getsid gettid gettimeofday getuid getuid32 membarrier mmap mmap2 mprotect mseal
            munmap nanosleep pause prlimit64 restart_syscall rseq rseq_slice_yield rt_sigreturn sched_getaffinity sched_yield
            set_robust_list set_thread_area set_tid_address set_tls get_tls sigreturn time ugetrlimit map_shadow_stack breakpoint
            """),
        ("@aio", "asynchronous input and output", """
            io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit @io-uring
            """),
        ("@io-uring", "io_uring(7): another way into most calls, past the filter", "io_uring_enter io_uring_register io_uring_setup"),
        ("@basic-io", "reading, writing, descriptors", """
            _llseek close close_range dup dup2 dup3 lseek pread64 preadv preadv2 pwrite64 pwritev pwritev2 read readv write writev
            """),
        ("@chown", "changing the owners of files", "chown chown32 fchown fchown32 fchownat lchown lchown32"),
        ("@clock", "setting the system's clocks",
            "adjtimex clock_adjtime clock_adjtime64 clock_settime clock_settime64 settimeofday stime"),
        ("@cpu-emulation", "old processor modes", "modify_ldt vm86 vm86old"),
        ("@debug", "tracing and profiling of other processes", "lookup_dcookie pidfd_getfd perf_event_open ptrace"),
        ("@file-system", "files and directories", """
            access chdir chmod close creat faccessat faccessat2 fallocate fchdir fchmod fchmodat fchmodat2 fcntl fcntl64 fgetxattr
            file_getattr file_setattr flistxattr flock fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 ftruncate
            ftruncate64 futimesat getcwd getdents getdents64 getxattr getxattrat inotify_add_watch inotify_init inotify_init1
            inotify_rm_watch lgetxattr link linkat listxattr listxattrat llistxattr lremovexattr lsetxattr lstat lstat64 mkdir mkdirat mknod
            mknodat newfstatat oldfstat oldlstat oldstat open openat openat2 readlink readlinkat removexattr removexattrat rename renameat
            renameat2 rmdir setxattr setxattrat stat stat64 statfs statfs64 statx symlink symlinkat truncate truncate64 umask unlink
            unlinkat utime utimensat utimensat_time64 utimes
            """),
        ("@io-event", "waiting for descriptors", """
            _newselect epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd
            eventfd2 poll ppoll ppoll_time64 pselect6 pselect6_time64 select
            """),
        ("@ipc", "pipes, message queues, semaphores, shared memory", """
            ipc memfd_create memfd_secret mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend
            mq_timedsend_time64 mq_unlink msgctl msgget msgrcv msgsnd pipe pipe2 semctl semget semop semtimedop semtimedop_time64 shmat
            shmctl shmdt shmget
            """),
        ("@process-memory", "reading and writing other processes' memory",
            "process_madvise process_mrelease process_vm_readv process_vm_writev kcmp"),
        ("@keyring", "the kernel's keys, which know no namespaces", "add_key keyctl request_key"),
        ("@memlock", "locking memory", "mlock mlock2 mlockall munlock munlockall"),
        ("@module", "kernel modules", "delete_module finit_module init_module"),
        ("@mount", "mounts and the root directory", """
            chroot fchroot fsconfig fsmount fsopen fspick listmount mount mount_setattr move_mount open_tree open_tree_attr pivot_root
            statmount umount umount2
            """),
        ("@namespace", "making and entering namespaces", "setns unshare listns"),
        ("@network-io", "sockets", """
            accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg send
            sendmmsg sendmsg sendto setsockopt shutdown socket socketcall socketpair
            """),
        ("@obsolete", "unusual, removed or never implemented", """
            _sysctl afs_syscall bdflush break create_module ftime get_kernel_syms getpmsg gtty idle lock mpx prof profil putpmsg
            query_module security sgetmask ssetmask stime stty sysfs tuxcall ulimit uselib ustat vserver nfsservctl
            """),
        ("@pkey", "memory protection keys", "pkey_alloc pkey_free pkey_mprotect"),
        ("@process", "making, signalling and waiting for processes", """
            capget clone clone3 execve execveat fork getrusage kill pidfd_open pidfd_send_signal prctl rt_sigqueueinfo rt_tgsigqueueinfo
            setpgid setsid tgkill times tkill vfork wait4 waitid waitpid
            """),
        ("@raw-io", "input and output ports", "ioperm iopl pciconfig_iobase pciconfig_read pciconfig_write"),
        ("@reboot", "rebooting and replacing the kernel", "kexec_file_load kexec_load reboot"),
        ("@resources", "priorities, limits, placement", """
            ioprio_set mbind migrate_pages move_pages nice sched_setaffinity sched_setattr sched_setparam sched_setscheduler set_mempolicy
            set_mempolicy_home_node setpriority setrlimit
            """),
        ("@sandbox", "restricting oneself", "landlock_add_rule landlock_create_ruleset landlock_restrict_self seccomp"),
        ("@setuid", "changing ids", """
            setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setregid setregid32 setresgid setresgid32
            setresuid setresuid32 setreuid setreuid32 setuid setuid32
            """),
        ("@signal", "signal handlers and masks", """
            rt_sigaction rt_sigpending rt_sigprocmask rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 sigaction sigaltstack signal
            signalfd signalfd4 sigpending sigprocmask sigsuspend
            """),
        ("@swap", "swap space", "swapoff swapon"),
        ("@sync", "writing back to storage", "fdatasync fsync msync sync sync_file_range arm_sync_file_range syncfs"),
        ("@timer", "timers", """
            alarm getitimer setitimer timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64 timer_settime timer_settime64
            timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime timerfd_settime64 times
            """),
        ("@introspection", "what the kernel tells of the system and of oneself", """
            cachestat fadvise64 fadvise64_64 arm_fadvise64_64 copy_file_range get_mempolicy getcpu getpriority ioctl ioprio_get madvise
            mincore mremap name_to_handle_at oldolduname olduname personality readahead readdir remap_file_pages sched_get_priority_max
            sched_get_priority_min sched_getattr sched_getparam sched_getscheduler sched_rr_get_interval sched_rr_get_interval_time64
            sendfile sendfile64 splice sysinfo tee uname vmsplice
            """),
        ("@privileged", "what only a privileged process may do", """
            @clock @module @mount @namespace @raw-io @reboot @swap acct bpf capset fanotify_init fanotify_mark lookup_dcookie
            open_by_handle_at quotactl quotactl_fd setdomainname sethostname syslog vhangup
            """),
        ("@system-service", "a good start for a service: no clock setting, modules, mounts, namespaces, keys, tracing or io_uring", """
            @default @basic-io @chown @file-system @introspection @io-event @ipc @memlock @network-io @pkey @process @resources @sandbox
            @setuid @signal @sync @timer io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit capset
            """),
    ];
}
