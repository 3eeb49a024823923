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
        // A signal that arrives meanwhile interrupts even a call that does not wait.
        SyscallResult result = RawSyscall.InvokeRestarting(Syscall.ppoll, (nuint)(&request), 1, (nuint)zero, 0, 8);
        result.ThrowIfError("poll", handle.ToString()!, "ppoll(2)");
        return result.Value > 0;
    }

    /// <summary>Waits until there is something to read: true for the first, false where only its end or the second is to be seen.</summary>
    internal static bool WaitForFirst(LinuxHandle first, LinuxHandle second)
    {
        var requests = stackalloc pollfd[2];
        requests[0] = new pollfd { fd = first.Descriptor, events = POLLIN };
        requests[1] = new pollfd { fd = second.Descriptor, events = POLLIN };
        SyscallResult result = RawSyscall.InvokeRestarting(Syscall.ppoll, (nuint)requests, 2, 0, 0, 8);
        return !result.IsError && requests[1].revents == 0 && (requests[0].revents & POLLIN) != 0;
    }

    /// <summary>Waits until every write end of a pipe is closed; what is written meanwhile wakes nobody.</summary>
    internal static void WaitForHangUp(LinuxHandle pipe)
    {
        pollfd request = new() { fd = pipe.Descriptor };
        SyscallResult result = RawSyscall.InvokeRestarting(Syscall.ppoll, (nuint)(&request), 1, 0, 0, 8);
        result.ThrowIfError("poll", pipe.ToString()!, "ppoll(2)");
    }

    private struct pollfd
    {
        internal int fd;
        internal short events, revents;
    }
}
