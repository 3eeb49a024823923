using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Waits for every process of the library on one epoll thread, and reaps each when it ends.</summary>
internal static unsafe class ExitWatcher
{
    private const uint EPOLLIN = 1, EPOLLONESHOT = 1u << 30, EPOLL_CTL_ADD = 1, EPOLL_CLOEXEC = 0x80000;

    private static readonly Lock s_gate = new();
    private static readonly Dictionary<int, (PidHandle Process, Action<ExitStatus> Ended)> s_watched = [];
    private static int s_epoll = -1;

    /// <summary>Calls back on the epoll thread once the process has ended and was reaped; the handle stays open.</summary>
    internal static void Watch(PidHandle process, Action<ExitStatus> ended)
    {
        lock (s_gate)
        {
            if (s_epoll < 0)
                Start();
            s_watched.Add(process.Descriptor, (process, ended));
        }

        byte* request = stackalloc byte[16];
        WriteEvent(request, EPOLLIN | EPOLLONESHOT, process.Descriptor);
        SyscallResult result = RawSyscall.Invoke(Syscall.epoll_ctl, (nuint)s_epoll, EPOLL_CTL_ADD, RawSyscall.Word(process), (nuint)request);
        if (!result.IsError)
            return;
        lock (s_gate)
            s_watched.Remove(process.Descriptor);
        result.ThrowIfError("watch process", process.ProcessId.ToString(System.Globalization.CultureInfo.InvariantCulture), "epoll_ctl(2)");
    }

    private static void Start()
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.epoll_create1, EPOLL_CLOEXEC);
        result.ThrowIfError("create", "the exit watcher", "epoll_create1(2)");
        s_epoll = (int)result.Value;
        new Thread(Loop, maxStackSize: 256 * 1024) { IsBackground = true, Name = "isolation exit watcher" }.Start();
    }

    private static void Loop()
    {
        const int Batch = 32;
        byte* events = stackalloc byte[Batch * 16];
        while (true)
        {
            SyscallResult count = RawSyscall.Invoke(Syscall.epoll_pwait, (nuint)s_epoll, (nuint)events, Batch, unchecked((nuint)(-1)), 0, 8);
            for (int i = 0; i < count.Value; i++)
                OnExit(ReadDescriptor(events + (i * EventSize)));
        }
    }

    private static void OnExit(int descriptor)
    {
        (PidHandle Process, Action<ExitStatus> Ended) watched;
        ExitStatus? status = WaitSyscalls.Reap(descriptor, block: true);
        lock (s_gate)
        {
            if (!s_watched.Remove(descriptor, out watched))
                return;
        }

        watched.Ended(status ?? default);
    }

    // struct epoll_event is packed to 12 bytes on x86-64 and naturally aligned, 16 bytes, elsewhere.
    private static readonly int EventSize = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
        == System.Runtime.InteropServices.Architecture.X64 ? 12 : 16;

    private static void WriteEvent(byte* at, uint events, int descriptor)
    {
        *(uint*)at = events;
        *(long*)(at + EventSize - 8) = descriptor;
    }

    private static int ReadDescriptor(byte* at) => (int)*(long*)(at + EventSize - 8);
}
