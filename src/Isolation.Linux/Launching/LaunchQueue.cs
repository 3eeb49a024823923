namespace Isolation.Linux.Launching;

/// <summary>The launcher threads and the requests that wait for them.</summary>
/// <remarks>Each thread is blocked for one whole launch, so there is about one per core. They never end: a child's
/// parent-death signal follows the thread that cloned it, not the process.</remarks>
internal static class LaunchQueue
{
    private static readonly object s_gate = new();
    private static LaunchRequest? s_first, s_last;
    private static int s_threads, s_idle;
    private static LauncherThread? s_main;

    /// <summary>Makes a launch on the calling thread where that is the main one, which lasts as long as the process; queues it elsewhere.</summary>
    internal static void RunOrPost(LaunchRequest request)
    {
        if (Syscalls.RawSyscall.Invoke(Syscalls.Syscall.gettid).Value == Environment.ProcessId)
            (s_main ??= new LauncherThread()).RunOne(request);
        else
            Post(request);
    }

    internal static void Post(LaunchRequest request)
    {
        lock (s_gate)
        {
            if (s_last is null)
                s_first = request;
            else
                s_last.Next = request;
            s_last = request;
            if (s_idle == 0 && s_threads < Math.Max(2, Environment.ProcessorCount))
                StartThread();
            else
                Monitor.Pulse(s_gate);
        }
    }

    private static void StartThread()
    {
        s_threads++;
        new Thread(static () => new LauncherThread().Run(Take), maxStackSize: 256 * 1024) { IsBackground = true, Name = "isolation launcher" }.Start();
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
            return request;
        }
    }
}
