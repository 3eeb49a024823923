using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Events;

/// <summary>Waits for every descriptor of the library on one epoll thread, and calls back when something is to be seen there.</summary>
internal static unsafe class DescriptorWatcher
{
    internal const uint EPOLLIN = 1, EPOLLPRI = 2;

    private const uint EPOLLONESHOT = 1u << 30, EPOLL_CTL_ADD = 1, EPOLL_CTL_DEL = 2, EPOLL_CTL_MOD = 3, EPOLL_CLOEXEC = 0x80000;

    private static readonly Lock s_gate = new();
    private static readonly Dictionary<long, (LinuxHandle File, Action<long, uint> Happened)> s_watched = [];
    private static long s_next;
    private static int s_epoll = -1;

    /// <summary>Calls back once, on the epoll thread, with the watch and what is to be seen; then the watch sleeps until it is armed again or ended.</summary>
    /// <remarks>What has happened since a kernfs file was last read is seen at once: nothing is missed between a read and the arming.</remarks>
    /// <returns>The watch, for <see cref="Rearm"/> and <see cref="End"/>.</returns>
    internal static long Begin(LinuxHandle file, uint events, object subject, Action<long, uint> happened)
    {
        long watch;
        lock (s_gate)
        {
            if (s_epoll < 0)
                Start();
            watch = s_next++;
            s_watched.Add(watch, (file, happened));
        }

        SyscallResult result = Control(EPOLL_CTL_ADD, file, events, watch);
        if (result.IsError)
        {
            lock (s_gate)
                s_watched.Remove(watch);
            result.ThrowIfError("watch", subject.ToString()!, "epoll_ctl(2)");
        }

        return watch;
    }

    /// <summary>Arms a watch that has called back.</summary>
    internal static void Rearm(long watch, uint events)
    {
        LinuxHandle file;
        lock (s_gate)
        {
            if (!s_watched.TryGetValue(watch, out var watched))
                return;
            file = watched.File;
        }

        Control(EPOLL_CTL_MOD, file, events, watch);
    }

    /// <summary>Ends a watch; a callback may be under way.</summary>
    internal static void End(long watch)
    {
        LinuxHandle file;
        lock (s_gate)
        {
            if (!s_watched.Remove(watch, out var watched))
                return;
            file = watched.File;
        }

        if (!file.IsClosed)
            Control(EPOLL_CTL_DEL, file, 0, watch);
    }

    private static SyscallResult Control(uint operation, LinuxHandle file, uint events, long watch)
    {
        byte* request = stackalloc byte[16];
        *(uint*)request = events | EPOLLONESHOT;
        *(long*)(request + EventSize - 8) = watch;
        return RawSyscall.Invoke(Syscall.epoll_ctl, (nuint)s_epoll, operation, RawSyscall.Word(file), (nuint)request);
    }

    private static void Start()
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.epoll_create1, EPOLL_CLOEXEC);
        result.ThrowIfError("create", "the event watcher", "epoll_create1(2)");
        s_epoll = (int)result.Value;
        new Thread(Loop, maxStackSize: 256 * 1024) { IsBackground = true, Name = "isolation event watcher" }.Start();
    }

    private static void Loop()
    {
        const int Batch = 32;
        byte* events = stackalloc byte[Batch * 16];
        while (true)
        {
            SyscallResult count = RawSyscall.Invoke(Syscall.epoll_pwait, (nuint)s_epoll, (nuint)events, Batch, unchecked((nuint)(-1)), 0, 8);
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

        happened(watch, seen);
    }

    // struct epoll_event is packed to 12 bytes on x86-64 and naturally aligned, 16 bytes, elsewhere.
    private static readonly int EventSize = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
        == System.Runtime.InteropServices.Architecture.X64 ? 12 : 16;
}
