using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Events;

/// <summary>Waits for every descriptor of the library on one epoll thread, and calls back when something is to be seen there.</summary>
internal static unsafe class DescriptorWatcher
{
    internal const uint EPOLLIN = 1, EPOLLPRI = 2, EPOLLOUT = 4, EPOLLERR = 8, EPOLLHUP = 0x10;

    private const uint EPOLLONESHOT = 1u << 30, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3, EPOLL_CLOEXEC = 0x80000;

    private static readonly Lock s_gate = new();
    private static readonly Dictionary<long, (LinuxHandle File, int Number, Action<long, uint> Happened)> s_watched = [];
    private static long s_next;
    private static int s_epoll = -1;

    /// <summary>Calls back once, on the epoll thread, with the watch and what is to be seen; then the watch sleeps until it is armed again
    /// or ended.</summary>
    /// <remarks>What has happened since a kernfs file was last read is seen at once: nothing is missed between a read and the
    /// arming.</remarks>
    /// <returns>The watch, for <see cref="Rearm"/> and <see cref="End"/>, until which it keeps the descriptor open.</returns>
    /// <exception cref="LinuxException">It cannot be watched; nothing is begun, and the next call tries again.</exception>
    internal static long Begin(LinuxHandle file, uint events, object subject, Action<long, uint> happened)
    {
        bool held = false;
        file.DangerousAddRef(ref held);
        int number;
        using (Borrow lent = new(file))
            number = lent.Number;
        long watch = -1;
        try
        {
            lock (s_gate)
            {
                if (s_epoll < 0)
                    Start();
                watch = s_next++;
                s_watched.Add(watch, (file, number, happened));
            }

            Control(EPOLL_CTL_ADD, number, events, watch).ThrowIfError("watch", subject.ToString()!, "epoll_ctl(2)");
            return watch;
        }
        catch
        {
            lock (s_gate)
                s_watched.Remove(watch);
            file.DangerousRelease();
            throw;
        }
    }

    /// <summary>Arms a watch that has called back; one that was ended is left alone.</summary>
    /// <exception cref="LinuxException">It stays unarmed.</exception>
    internal static void Rearm(long watch, uint events)
    {
        SyscallResult result;
        string subject;
        // Under the gate the watch, and with it the descriptor, cannot be ended.
        lock (s_gate)
        {
            if (!s_watched.TryGetValue(watch, out var watched))
                return;
            subject = watched.File.ToString()!;
            result = Control(EPOLL_CTL_MOD, watched.Number, events, watch);
        }

        result.ThrowIfError("watch", subject, "epoll_ctl(2)");
    }

    /// <summary>Ends a watch; a callback may be under way.</summary>
    internal static void End(long watch)
    {
        lock (s_gate)
        {
            if (!s_watched.Remove(watch, out var watched))
                return;
            Control(EPOLL_CTL_DEL, watched.Number, 0, watch);
            watched.File.DangerousRelease();
        }
    }

    private static SyscallResult Control(uint operation, int descriptor, uint events, long watch)
    {
        byte* request = stackalloc byte[16];
        *(uint*)request = events | EPOLLONESHOT;
        *(long*)(request + EventSize - 8) = watch;
        return RawSyscall.Invoke(Syscall.epoll_ctl, (nuint)s_epoll, operation, (nuint)descriptor, (nuint)request);
    }

    private static void Start()
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.epoll_create1, EPOLL_CLOEXEC);
        result.ThrowIfError("create", "the event watcher", "epoll_create1(2)");
        int epoll = (int)result.Value;
        try
        {
            OwnThread.Start("isolation event watcher", () => Loop(epoll));
        }
        catch
        {
            RawSyscall.Invoke(Syscall.close, (nuint)epoll);
            throw;
        }

        s_epoll = epoll;
    }

    private static void Loop(int epoll)
    {
        const int Batch = 32;
        byte* events = stackalloc byte[Batch * 16];
        while (true)
        {
            SyscallResult count = RawSyscall.Invoke(Syscall.epoll_pwait, (nuint)epoll, (nuint)events, Batch, unchecked((nuint)(-1)), 0, 8);
            for (int i = 0; i < count.Value; i++)
            {
                byte* seen = events + (i * EventSize);
                CallBack(*(long*)(seen + EventSize - 8), *(uint*)seen);
            }
        }
    }

    private static void CallBack(long watch, uint seen)
    {
        Action<long, uint> happened;
        lock (s_gate)
        {
            if (!s_watched.TryGetValue(watch, out var watched))
                return;
            happened = watched.Happened;
        }

        try
        {
            happened(watch, seen);
        }
        // Each callback tells its failures to whoever waits; what it forgets must not end the process, nor the watching for all others.
#pragma warning disable CA1031
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }

    // struct epoll_event is packed to 12 bytes on x86-64 and naturally aligned, 16 bytes, elsewhere.
    private static readonly int EventSize = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
        == System.Runtime.InteropServices.Architecture.X64 ? 12 : 16;
}
