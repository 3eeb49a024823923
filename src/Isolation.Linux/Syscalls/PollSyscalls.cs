namespace Isolation.Linux.Syscalls;

/// <summary>poll(2) through ppoll, which both architectures have.</summary>
internal static unsafe class PollSyscalls
{
    private const short POLLIN = 1;

    internal static bool IsReadable(LinuxHandle handle)
    {
        pollfd request = new() { fd = handle.Descriptor, events = POLLIN };
        long* zero = stackalloc long[2];
        zero[0] = zero[1] = 0;
        SyscallResult result = RawSyscall.Invoke(Syscall.ppoll, (nuint)(&request), 1, (nuint)zero, 0, 8);
        result.ThrowIfError("poll", handle.ToString()!, "ppoll(2)");
        return result.Value > 0;
    }

    /// <summary>Waits until every write end of a pipe is closed; what is written meanwhile wakes nobody.</summary>
    internal static void WaitForHangUp(LinuxHandle pipe)
    {
        pollfd request = new() { fd = pipe.Descriptor };
        SyscallResult result;
        do
        {
            result = RawSyscall.Invoke(Syscall.ppoll, (nuint)(&request), 1, 0, 0, 8);
        }
        while (result.Errno == Errno.EINTR);
        result.ThrowIfError("poll", pipe.ToString()!, "ppoll(2)");
    }

    private struct pollfd
    {
        internal int fd;
        internal short events, revents;
    }
}
