namespace Isolation.Linux.Syscalls;

/// <summary>poll(2) through ppoll, which both architectures have.</summary>
internal static unsafe class PollSyscalls
{
    private const short POLLIN = 1, POLLHUP = 0x10;
    private const int Attempts = 8;

    internal static bool IsReadable(LinuxHandle handle) => IsReadable(handle, TimeSpan.Zero);

    /// <summary>Waits until there is something to read, or the end; false where the time is over.</summary>
    internal static bool IsReadable(LinuxHandle handle, TimeSpan limit)
    {
        using Borrow file = new(handle);
        pollfd request = new() { fd = file.Number, events = POLLIN };
        long* time = stackalloc long[2];
        (time[0], time[1]) = ((long)limit.TotalSeconds, limit.Ticks % TimeSpan.TicksPerSecond * 100);
        SyscallResult result = Poll(&request, 1, time);
        result.ThrowIfError("poll", handle.ToString()!, "ppoll(2)");
        return result.Value > 0;
    }

    /// <summary>Waits until there is something to read: true for the first, false where only its end or the second is to be seen.</summary>
    internal static bool WaitForFirst(LinuxHandle first, LinuxHandle second)
    {
        using Borrow firstFile = new(first), secondFile = new(second);
        var requests = stackalloc pollfd[2];
        requests[0] = new pollfd { fd = firstFile.Number, events = POLLIN };
        requests[1] = new pollfd { fd = secondFile.Number, events = POLLIN };
        SyscallResult result = Poll(requests, 2, null);
        result.ThrowIfError("poll", first.ToString()!, "ppoll(2)");
        return requests[1].revents == 0 && (requests[0].revents & POLLIN) != 0;
    }

    /// <summary>Waits until every write end of a pipe is closed, or the process has ended; what is written meanwhile wakes
    /// nobody.</summary>
    internal static void WaitForHangUp(LinuxHandle pipe, PidHandle process)
    {
        using Borrow file = new(pipe), end = new(process);
        var requests = stackalloc pollfd[2];
        requests[0] = new pollfd { fd = file.Number };
        requests[1] = new pollfd { fd = end.Number, events = POLLIN };
        SyscallResult result = Poll(requests, 2, null);
        result.ThrowIfError("poll", pipe.ToString()!, "ppoll(2)");
    }

    /// <summary>Waits until there is something to read on one of the two, or hung up; false where the time is over, or it cannot be waited
    /// for.</summary>
    internal static bool WaitForEither(LinuxHandle first, LinuxHandle second, TimeSpan limit)
    {
        using Borrow one = new(first), other = new(second);
        var requests = stackalloc pollfd[2];
        // Where the pipe has ended it would end every wait: then the second alone counts.
        requests[0] = new pollfd { fd = one.Number, events = POLLIN };
        requests[1] = new pollfd { fd = other.Number, events = POLLIN };
        long* time = stackalloc long[2];
        (time[0], time[1]) = ((long)limit.TotalSeconds, limit.Ticks % TimeSpan.TicksPerSecond * 100);
        SyscallResult result = Poll(requests, 2, time);
        if (result.Value == 1 && (requests[0].revents & (POLLIN | POLLHUP)) == POLLHUP)
        {
            requests[0].fd = -1;
            result = Poll(requests, 2, time);
        }

        return result.Value > 0;
    }

    /// <summary>Waits until reading (1) or writing (4) does not block; errors and ends count as such.</summary>
    internal static void Wait(LinuxHandle handle, uint events)
    {
        using Borrow file = new(handle);
        pollfd request = new() { fd = file.Number, events = (short)events };
        SyscallResult result = Poll(&request, 1, null);
        result.ThrowIfError("poll", handle.ToString()!, "ppoll(2)");
    }

    /// <summary>A signal interrupts even a call that does not wait; what remains of the time is left for the next. ENOMEM passes, and most
    /// who wait here for a process could not end it otherwise. See ppoll(2).</summary>
    private static SyscallResult Poll(pollfd* requests, int count, long* time)
    {
        SyscallResult result;
        int attempts = 0;
        do
            result = RawSyscall.Invoke(Syscall.ppoll, (nuint)requests, (nuint)count, (nuint)time, 0, 8);
        while (result.Errno == Errno.EINTR || (result.IsError && attempts++ < Attempts));
        return result;
    }

    private struct pollfd
    {
        internal int fd;
        internal short events, revents;
    }
}
