using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>waitid(2) on a pidfd, and what PIDFD_GET_INFO knows when someone else reaped the process.</summary>
internal static unsafe class WaitSyscalls
{
    /// <summary>Reaps the process behind a pidfd. Null: it still runs (only without <paramref name="block"/>).</summary>
    internal static ExitStatus? Reap(LinuxHandle process, bool block)
    {
        using Borrow lent = new(process);
        int pidDescriptor = lent.Number;
        byte* info = stackalloc byte[128];
        rusage usage = default;
        SyscallResult result;
        int attempts = 0;
        do
        {
            *(int*)(info + SiPid) = 0;
            result = RawSyscall.Invoke(Syscall.waitid, Sched.P_PIDFD, (nuint)pidDescriptor, (nuint)info,
                Sched.WEXITED | Sched.__WALL | (block ? 0 : Sched.WNOHANG), (nuint)(&usage));
        }
        while (result.Errno == Errno.EINTR || (result.IsError && result.Errno != Errno.ECHILD && attempts++ < Attempts));
        // ECHILD: somebody else has reaped it. Nothing else may leave it unreaped.
        if (result.IsError)
            return StatusAfterReap(pidDescriptor);
        if (*(int*)(info + SiPid) == 0)
            return null;
        int code = *(int*)(info + SiCode), status = *(int*)(info + SiStatus);
        ResourceUsage used = usage.ToUsage(process is PidHandle { HasOwnPeak: true });
        return code == CLD_EXITED
            ? new ExitStatus(status, null, false, used)
            : new ExitStatus(null, (Signal)(status & 0x7f), code == CLD_DUMPED, used);
    }

    /// <summary>Reaps children by their number, or by that of their group: all that there are.
    /// For children whose pidfds this process does not have.</summary>
    internal static void ReapId(uint kind, int id)
    {
        byte* info = stackalloc byte[128];
        SyscallResult result;
        do
            result = RawSyscall.Invoke(Syscall.waitid, kind, (nuint)id, (nuint)info, Sched.WEXITED | Sched.__WALL, 0);
        while (!result.IsError || result.Errno == Errno.EINTR);
    }

    /// <summary>The status of a process that was reaped elsewhere: kept by the pidfd since Linux 6.15, unknown before.</summary>
    private static ExitStatus StatusAfterReap(int pidDescriptor)
    {
        pidfd_info info = new() { mask = Sched.PIDFD_INFO_EXIT };
        SyscallResult result = RawSyscall.Invoke(Syscall.ioctl, (nuint)pidDescriptor, Sched.PIDFD_GET_INFO, (nuint)(&info));
        return !result.IsError && (info.mask & Sched.PIDFD_INFO_EXIT) != 0
            ? ExitStatus.FromWaitStatus(info.exit_code, null)
            : new ExitStatus(null, null, false, null);
    }

    private const int Attempts = 8;
    private const int SiCode = 8, SiPid = 16, SiStatus = 24;
    private const int CLD_EXITED = 1, CLD_DUMPED = 3;

    /// <summary><c>struct rusage</c>, linux/resource.h.</summary>
    internal struct rusage
    {
        internal long ru_utime_sec, ru_utime_usec, ru_stime_sec, ru_stime_usec;
        internal long ru_maxrss, ru_ixrss, ru_idrss, ru_isrss, ru_minflt, ru_majflt, ru_nswap;
        internal long ru_inblock, ru_oublock, ru_msgsnd, ru_msgrcv, ru_nsignals, ru_nvcsw, ru_nivcsw;

        internal readonly ResourceUsage ToUsage(bool hasOwnPeak) => new(
            TimeSpan.FromSeconds(ru_utime_sec) + TimeSpan.FromMicroseconds(ru_utime_usec),
            TimeSpan.FromSeconds(ru_stime_sec) + TimeSpan.FromMicroseconds(ru_stime_usec),
            hasOwnPeak ? ru_maxrss * 1024 : null, ru_minflt, ru_majflt, ru_inblock, ru_oublock, ru_nvcsw, ru_nivcsw);
    }

    /// <summary><c>struct pidfd_info</c>, linux/pidfd.h, v6.15, its first 64 bytes; extensible.</summary>
    private struct pidfd_info
    {
        internal ulong mask, cgroupid;
        internal uint pid, tgid, ppid, ruid, rgid, euid, egid, suid, sgid, fsuid, fsgid;
        internal int exit_code;
    }
}
