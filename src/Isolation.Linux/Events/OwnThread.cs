namespace Isolation.Linux.Events;

/// <summary>Starts the threads of the library, so that the refusal of one is an error of whoever needs it, and leaves nothing half
/// begun.</summary>
internal static class OwnThread
{
    /// <summary>Starts a background thread with a small stack.</summary>
    /// <exception cref="LinuxException"><c>EAGAIN</c>: no thread can be made.</exception>
    internal static Thread Start(string name, Action run)
    {
        var thread = new Thread(() => run(), maxStackSize: 256 * 1024) { IsBackground = true, Name = name };
        Start(thread);
        return thread;
    }

    /// <summary>Starts a thread that was made for it.</summary>
    /// <exception cref="LinuxException"><c>EAGAIN</c>: no thread can be made.</exception>
    internal static void Start(Thread thread)
    {
        try
        {
            thread.Start();
        }
        catch (Exception e) when (e is OutOfMemoryException or ThreadStartException)
        {
            throw new LinuxException("start", $"the thread \"{thread.Name}\"", "clone(2)", Errno.EAGAIN,
                remedy: "The limit of processes (ulimit -u, pids.max) was reached, or memory is short.");
        }
    }
}
