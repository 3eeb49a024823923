namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/sched.h, and of signals and waiting that go with a clone.</summary>
internal static class Sched
{
    internal const ulong CLONE_NEWTIME = 0x80;
    internal const ulong CLONE_VM = 0x100;
    internal const ulong CLONE_FS = 0x200;
    internal const ulong CLONE_FILES = 0x400;
    internal const ulong CLONE_PIDFD = 0x1000;
    internal const ulong CLONE_VFORK = 0x4000;
    internal const ulong CLONE_PARENT = 0x8000;
    internal const ulong CLONE_NEWNS = 0x20000;
    internal const ulong CLONE_PARENT_SETTID = 0x100000;
    internal const ulong CLONE_NEWCGROUP = 0x2000000;
    internal const ulong CLONE_NEWUTS = 0x4000000;
    internal const ulong CLONE_NEWIPC = 0x8000000;
    internal const ulong CLONE_NEWUSER = 0x10000000;
    internal const ulong CLONE_NEWPID = 0x20000000;
    internal const ulong CLONE_NEWNET = 0x40000000;
    internal const ulong CLONE_CLEAR_SIGHAND = 0x1_0000_0000;
    internal const ulong CLONE_INTO_CGROUP = 0x2_0000_0000;

    internal const int SIGKILL = 9;
    internal const int SIGPIPE = 13;
    internal const int SIGCHLD = 17;
    internal const int SIGSTOP = 19;

    internal const uint P_PID = 1;
    internal const uint P_PGID = 2;
    internal const uint P_PIDFD = 3;
    internal const uint WNOHANG = 1;
    internal const uint WEXITED = 4;
    internal const uint __WALL = 0x40000000;

    internal const uint PIDFD_THREAD = 0x80;

    /// <summary>_IOWR(0xFF, 11, struct of 64 bytes): PIDFD_INFO_SIZE_VER0.</summary>
    internal const uint PIDFD_GET_INFO = 0xc040ff0b;
    internal const ulong PIDFD_INFO_EXIT = 8;
}

/// <summary><c>struct clone_args</c>, linux/sched.h, v6.12; extensible, this is VER2.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
internal struct clone_args
{
    internal ulong flags, pidfd, child_tid, parent_tid, exit_signal, stack, stack_size, tls, set_tid, set_tid_size, cgroup;
}
