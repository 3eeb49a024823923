using System.Diagnostics;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Events;

/// <summary>A time at which something is done, on the watcher's thread: limits hold however busy the thread pool is. One timerfd serves
/// all.</summary>
internal sealed unsafe class Deadline : IDisposable
{
    private const uint CLOCK_MONOTONIC = 1;
    private const double LongestSeconds = 1e9;

    private static readonly Lock s_gate = new();
    private static readonly SortedSet<Deadline> s_pending =
        new(Comparer<Deadline>.Create(static (a, b) => a._due != b._due ? a._due.CompareTo(b._due) : a._number.CompareTo(b._number)));
    private static LinuxHandle? s_timer;
    private static long s_watch, s_next;

    private readonly Action _reached;
    private readonly long _due, _number;

    private Deadline(long due, long number, Action reached) => (_due, _number, _reached) = (due, number, reached);

    /// <summary>Sets a deadline. Disposing it before it is reached removes it.</summary>
    /// <param name="time">From now on.</param>
    /// <param name="reached">Called once; it must not block.</param>
    /// <exception cref="LinuxException">There is no descriptor or no thread for the timer.</exception>
    internal static Deadline After(TimeSpan time, Action reached)
    {
        lock (s_gate)
        {
            EnsureTimer();
            long due = Stopwatch.GetTimestamp() + (long)(Math.Clamp(time.TotalSeconds, 0, LongestSeconds) * Stopwatch.Frequency);
            var deadline = new Deadline(due, s_next++, reached);
            s_pending.Add(deadline);
            if (s_pending.Min == deadline)
                Set();
            return deadline;
        }
    }

    /// <summary>Removes it; it may be reached at this moment.</summary>
    public void Dispose()
    {
        lock (s_gate)
            s_pending.Remove(this);
    }

    private static void EnsureTimer()
    {
        if (s_timer is not null)
            return;
        SyscallResult made = RawSyscall.Invoke(Syscall.timerfd_create, CLOCK_MONOTONIC, Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);
        made.ThrowIfError("create", "a timer", "timerfd_create(2)");
        var timer = new LinuxHandle((int)made.Value);
        try
        {
            s_watch = DescriptorWatcher.Begin(timer, DescriptorWatcher.EPOLLIN, "a timer", static (_, _) => Reached());
        }
        catch
        {
            timer.Dispose();
            throw;
        }

        s_timer = timer;
    }

    /// <summary>Sets the timer to the first of them; held under the gate.</summary>
    private static void Set()
    {
        if (s_pending.Min is not { } first)
            return;
        long rest = Math.Max(0, first._due - Stopwatch.GetTimestamp());
        // struct itimerspec { it_interval, it_value }; a value of zero would stop it.
        long* setting = stackalloc long[4];
        (setting[0], setting[1]) = (0, 0);
        setting[2] = rest / Stopwatch.Frequency;
        setting[3] = Math.Max(1, (long)(rest % Stopwatch.Frequency * (1e9 / Stopwatch.Frequency)));
        RawSyscall.Invoke(Syscall.timerfd_settime, s_timer!, 0, (nuint)setting, 0);
    }

    private static void Reached()
    {
        while (true)
        {
            Deadline? reached;
            lock (s_gate)
            {
                reached = s_pending.Min;
                if (reached is null || reached._due > Stopwatch.GetTimestamp())
                {
                    Span<byte> expirations = stackalloc byte[8];
                    FileSyscalls.Read(s_timer!, expirations);
                    Set();
                    DescriptorWatcher.Rearm(s_watch, DescriptorWatcher.EPOLLIN);
                    return;
                }

                s_pending.Remove(reached);
            }

            try
            {
                reached._reached();
            }
#pragma warning disable CA1031 // One that fails must not keep the others from being reached.
            catch (Exception)
#pragma warning restore CA1031
            {
            }
        }
    }
}
