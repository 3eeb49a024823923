using Isolation.Linux.Events;

namespace Isolation.Linux.Launching;

/// <summary>The launcher threads and the requests that wait for them.</summary>
/// <remarks>Each thread is blocked for one whole launch, so there is about one per core, and more only while all of them are held up, by a
/// slow file system for one. They never end: a child's parent-death signal follows the thread that cloned it, not the process.</remarks>
internal static class LaunchQueue
{
    private const int MostThreads = 64;

    /// <summary>So long none of the threads takes a request that waits, until another thread is made for it.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromMilliseconds(200);

    private static readonly object s_gate = new();
    private static LaunchRequest? s_first, s_last;
    private static int s_waiting, s_threads, s_idle;
    private static long s_taken;
    private static bool s_watched;
    private static LauncherThread? s_main;

    /// <summary>Makes a launch on the calling thread where that is the main one, which lasts as long as the process; queues it
    /// elsewhere.</summary>
    /// <exception cref="LinuxException">There is no launcher thread, and none can be made.</exception>
    internal static void RunOrPost(LaunchRequest request)
    {
        if (Syscalls.RawSyscall.Invoke(Syscalls.Syscall.gettid).Value == Environment.ProcessId)
            (s_main ??= new LauncherThread()).RunOne(request);
        else
            Post(request);
    }

    /// <summary>Queues a launch.</summary>
    /// <exception cref="LinuxException">There is no launcher thread, and none can be made; the request is not queued.</exception>
    internal static void Post(LaunchRequest request)
    {
        bool start;
        lock (s_gate)
        {
            if (s_last is null)
                s_first = request;
            else
                s_last.Next = request;
            s_last = request;
            s_waiting++;
            // Threads that were woken for earlier requests still count as idle until they have taken them.
            start = s_waiting > s_idle && s_threads < Math.Max(2, Environment.ProcessorCount);
            if (start)
                s_threads++;
            else
                Monitor.Pulse(s_gate);
        }

        if (start)
            StartThread(request);
        else
            WatchForHeldUpThreads();
    }

    /// <summary>Takes a request back that no thread has taken yet.</summary>
    internal static bool TryRemove(LaunchRequest request)
    {
        lock (s_gate)
        {
            LaunchRequest? before = null;
            for (LaunchRequest? each = s_first; each is not null; (before, each) = (each, each.Next))
            {
                if (each != request)
                    continue;
                if (before is null)
                    s_first = request.Next;
                else
                    before.Next = request.Next;
                if (s_last == request)
                    s_last = before;
                request.Next = null;
                s_waiting--;
                return true;
            }

            return false;
        }
    }

    private static void StartThread(LaunchRequest? request)
    {
        try
        {
            OwnThread.Start("isolation launcher", static () => new LauncherThread().Run(Take));
        }
        catch (LinuxException)
        {
            bool alone;
            lock (s_gate)
                alone = --s_threads == 0;
            // Others will serve it.
            if (alone && request is not null && TryRemove(request))
                throw;
        }
    }

    /// <summary>Sees to it that launches which are held up do not hold up all others.</summary>
    private static void WatchForHeldUpThreads()
    {
        long taken;
        lock (s_gate)
        {
            if (s_watched || s_waiting <= s_idle || s_threads >= MostThreads)
                return;
            s_watched = true;
            taken = s_taken;
        }

        try
        {
            Deadline.After(s_patience, () => AddThreadIfHeldUp(taken));
        }
        catch (LinuxException)
        {
            lock (s_gate)
                s_watched = false; // the next request tries again
        }
    }

    private static void AddThreadIfHeldUp(long taken)
    {
        bool start;
        lock (s_gate)
        {
            s_watched = false;
            start = s_taken == taken && s_waiting > s_idle && s_threads < MostThreads;
            if (start)
                s_threads++;
        }

        if (start)
            StartThread(null);
        WatchForHeldUpThreads();
    }

    private static LaunchRequest Take()
    {
        lock (s_gate)
        {
            s_idle++;
            while (s_first is null)
                Monitor.Wait(s_gate);
            s_idle--;
            LaunchRequest request = s_first;
            s_first = request.Next;
            if (s_first is null)
                s_last = null;
            request.Next = null;
            s_waiting--;
            s_taken++;
            return request;
        }
    }
}
