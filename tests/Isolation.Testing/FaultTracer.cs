using System.Collections.Concurrent;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux.Syscalls;

namespace Isolation.Testing;

/// <summary>Makes a system call of another process fail, or kills the process at it: ptrace(2) on all its threads and on none of its
/// children. x86-64.</summary>
/// <remarks>The process itself says which: by system calls that no kernel has, numbered from <see cref="Request"/>. Threads of the
/// runtime's own are left alone.</remarks>
public sealed class FaultTracer
{
    /// <summary>The number of the request; its first argument is one of the following.</summary>
    public const int Request = 0x15_0000;

    /// <summary>From now on the calls of a number (second argument; -1 for any) are counted, and the n-th (third) fails with an errno
    /// (fourth), or kills the process (errno -1).</summary>
    public const int Arm = 1;

    /// <summary>No longer. The result is the number of calls that were counted.</summary>
    public const int Disarm = 2;

    /// <summary>From now on all calls are counted, each number by itself.</summary>
    public const int Count = 3;

    /// <summary>The result is how often a number (second argument) was called since.</summary>
    public const int Counted = 4;

    private const uint PTRACE_POKEUSER = 6, PTRACE_DETACH = 17, PTRACE_SYSCALL = 24, PTRACE_SEIZE = 0x4206, PTRACE_INTERRUPT = 0x4207,
        PTRACE_GET_SYSCALL_INFO = 0x420e;
    private const uint PTRACE_O_TRACESYSGOOD = 1, PTRACE_O_TRACECLONE = 8, PTRACE_O_EXITKILL = 0x100000;
    private const int PTRACE_EVENT_STOP = 128, SIGTRAP = 5, RaxOffset = 80, OrigRaxOffset = 120;
    private const uint WaitFlags =
        0x4000_0000 | 0x2000_0000; // __WALL | __WNOTHREAD: the other children of this process are not this thread's business

    // What the runtime calls whenever it likes, and what must not be left out: a descriptor that is not closed would be a leak of the
    // test's own making.
    private static readonly HashSet<long> s_exempt =
    [
        .. new[]
        {
            Syscall.futex, Syscall.mmap, Syscall.munmap, Syscall.mprotect, Syscall.madvise, Syscall.brk, Syscall.sched_yield,
                Syscall.rt_sigreturn, Syscall.rt_sigprocmask, Syscall.sigaltstack,
            Syscall.membarrier, Syscall.gettid, Syscall.getpid, Syscall.clock_gettime, Syscall.clock_nanosleep, Syscall.nanosleep,
                Syscall.set_robust_list, Syscall.rseq, Syscall.exit, Syscall.exit_group, Syscall.close,
            Syscall.tgkill, Syscall.getrandom, Syscall.sched_getaffinity, Syscall.sched_setaffinity, Syscall.restart_syscall,
                Syscall.mremap, Syscall.rt_sigaction,
        }.Select(c => (long)SyscallNumber.Native(c)),
    ];

    private readonly int _process;
    private readonly ManualResetEventSlim _attached = new(), _ended = new();
    private readonly ConcurrentDictionary<int, bool> _seized = new();
    private readonly Dictionary<int, long> _results = [];
    private readonly Dictionary<long, long> _counts = [];
    private long _armed = long.MinValue, _nth, _errno, _seen;
    private bool _counting;

    private FaultTracer(int process) => _process = process;

    /// <summary>How the process ended, as wait(2) says.</summary>
    public int WaitStatus { get; private set; }

    /// <summary>Traces a process that is below this one and no child of it, until it ends.</summary>
    public static FaultTracer Attach(int process)
    {
        var tracer = new FaultTracer(process);
        new Thread(tracer.Trace) { IsBackground = true, Name = "fault tracer" }.Start();
        Assert.True(tracer._attached.Wait(TimeSpan.FromSeconds(20)), "the process could not be traced");
        return tracer;
    }

    /// <summary>Waits until the process has ended.</summary>
    public bool WaitForEnd(TimeSpan limit) => _ended.Wait(limit);

    private static SyscallResult Ptrace(uint request, int thread, nuint address = 0, nuint data = 0) =>
        RawSyscall.Invoke(Syscall.ptrace, request, (nuint)thread, address, data);

    private void Trace()
    {
        // Until none is new: threads made meanwhile by one that is not traced yet.
        bool more = true;
        while (more)
        {
            more = false;
            foreach (string task in Directory.EnumerateDirectories($"/proc/{_process}/task"))
            {
                int thread = int.Parse(Path.GetFileName(task), CultureInfo.InvariantCulture);
                if (!_seized.TryAdd(thread, true))
                    continue;
                more = true;
                if (!Ptrace(PTRACE_SEIZE, thread, 0, PTRACE_O_TRACESYSGOOD | PTRACE_O_TRACECLONE | PTRACE_O_EXITKILL).IsError)
                    Ptrace(PTRACE_INTERRUPT, thread);
            }
        }

        _attached.Set();
        nint status = Marshal.AllocHGlobal(8), info = Marshal.AllocHGlobal(128);
        while (true)
        {
            SyscallResult waited = RawSyscall.InvokeRestarting(Syscall.wait4, unchecked((nuint)(-1)), (nuint)status, WaitFlags, 0);
            if (waited.IsError)
                break;
            int thread = (int)waited.Value, what = Marshal.ReadInt32(status);
            if ((what & 0xff) != 0x7f)
            {
                _seized.TryRemove(thread, out _); // the number may be another's one day
                _results.Remove(thread);
                if (thread == _process)
                    WaitStatus = what;
                continue;
            }

            Ptrace(PTRACE_SYSCALL, thread, 0, Stopped(thread, what, info));
        }

        Marshal.FreeHGlobal(status);
        Marshal.FreeHGlobal(info);
        _ended.Set();
    }

    /// <summary>Handles a stop; the result is the signal that the thread gets.</summary>
    private nuint Stopped(int thread, int status, nint info)
    {
        int signal = (status >> 8) & 0xff, ptraceEvent = status >> 16;
        if (signal == (SIGTRAP | 0x80))
        {
            AtCall(thread, info);
            return 0;
        }

        if (ptraceEvent == PTRACE_EVENT_STOP && _seized.TryAdd(thread, true) && !Directory.Exists($"/proc/{_process}/task/{thread}"))
        {
            Ptrace(PTRACE_DETACH, thread); // a child that shares nothing
            _seized.TryRemove(thread, out _);
        }

        return ptraceEvent != 0 ? 0 : (nuint)signal;
    }

    private void AtCall(int thread, nint info)
    {
        // struct ptrace_syscall_info: u8 op; then from 24 on { u64 nr; u64 args[6] } at the entry.
        if (Ptrace(PTRACE_GET_SYSCALL_INFO, thread, 128, (nuint)info).IsError)
            return;
        if (Marshal.ReadByte(info) == 2)
        {
            if (_results.Remove(thread, out long result))
                Ptrace(PTRACE_POKEUSER, thread, RaxOffset, (nuint)result);
            return;
        }

        long number = Marshal.ReadInt64(info, 24);
        long Argument(int i) => Marshal.ReadInt64(info, 32 + (i * 8));
        if (number == Request)
            _results[thread] = Obey(Argument(0), Argument(1), Argument(2), Argument(3));
        else if ((_counting || _armed == number || (_armed == -1 && !s_exempt.Contains(number)))
            && !IsRuntimes(thread, number, Argument(2)))
            Happens(thread, number);
    }

    private long Obey(long request, long number, long nth, long errno)
    {
        switch (request)
        {
            case Arm:
                (_armed, _nth, _errno, _seen) = (number, nth, errno, 0);
                return 0;
            case Disarm:
                (_armed, _counting) = (long.MinValue, false);
                return _seen;
            case Count:
                _counts.Clear();
                _counting = true;
                return 0;
            default:
                return s_exempt.Contains(number) ? 0 : _counts.GetValueOrDefault(number);
        }
    }

    private void Happens(int thread, long number)
    {
        if (_counting)
            _counts[number] = _counts.GetValueOrDefault(number) + 1;
        if (_armed == long.MinValue || ++_seen != _nth)
            return;
        if (_errno < 0)
        {
            RawSyscall.Invoke(Syscall.kill, (nuint)_process, 9);
            return;
        }

        Ptrace(PTRACE_POKEUSER, thread, OrigRaxOffset, unchecked((nuint)(-1)));
        _results[thread] = -_errno;
    }

    private bool IsRuntimes(int thread, long number, long length)
    {
        try
        {
            string name = File.ReadAllText($"/proc/{_process}/task/{thread}/comm");
            // The runtime starts each thread by one byte through a pipe, and ends the process where that fails; the handshake is the
            // library's own.
            bool oneByte = length == 1 && (number == SyscallNumber.Native(Syscall.read) || number == SyscallNumber.Native(Syscall.write));
            if (oneByte && !name.StartsWith("isolation hand", StringComparison.Ordinal))
                return true;
            return name.StartsWith(".NET ", StringComparison.Ordinal) && !name.StartsWith(".NET TP", StringComparison.Ordinal);
        }
        catch (IOException)
        {
            return true;
        }
    }
}
