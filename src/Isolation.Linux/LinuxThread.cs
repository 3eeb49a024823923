using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
using Isolation.Linux.Events;

namespace Isolation.Linux;

/// <summary>A thread of one's own, for state that the kernel keeps per thread: namespaces, capabilities, seccomp, Landlock.</summary>
/// <remarks>It belongs to no pool: what is done to it ends with it. Work is run in order, one piece at a time.</remarks>
/// <example><code>
/// using var thread = new LinuxThread("restricted");
/// thread.Invoke(() =&gt; Capabilities.Drop(Capability.NetRaw)); // other threads keep it
/// </code></example>
public sealed class LinuxThread : IDisposable
{
    private readonly BlockingCollection<Action> _work = [];
    private readonly Thread _thread;

    /// <summary>Starts the thread.</summary>
    /// <param name="name">A name for debuggers; the kernel shows the first 15 bytes.</param>
    /// <exception cref="LinuxException"><c>EAGAIN</c>: a limit of processes was reached, or memory is short.</exception>
    public LinuxThread(string name = "isolation thread")
    {
        _thread = new Thread(Loop) { IsBackground = true, Name = name };
        OwnThread.Start(_thread);
    }

    /// <summary>The thread's id, as in /proc/PID/task.</summary>
    public int ThreadId => Invoke(() => (int)Syscalls.RawSyscall.Invoke(Syscalls.Syscall.gettid).Value);

    /// <summary>Runs a function on the thread and waits for its result. An exception is thrown here.</summary>
    public T Invoke<T>(Func<T> function)
    {
        ArgumentNullException.ThrowIfNull(function);
        if (Thread.CurrentThread == _thread)
            return function();
        T result = default!;
        ExceptionDispatchInfo? failure = null;
        using var done = new ManualResetEventSlim();
        _work.Add(() =>
        {
            try
            {
                result = function();
            }
#pragma warning disable CA1031 // Carried to the caller whatever it is.
            catch (Exception e)
            {
                failure = ExceptionDispatchInfo.Capture(e);
            }
#pragma warning restore CA1031

            done.Set();
        });
        done.Wait();
        failure?.Throw();
        return result;
    }

    /// <summary>Runs an action on the thread and waits for it. An exception is thrown here.</summary>
    public void Invoke(Action action)
    {
        ArgumentNullException.ThrowIfNull(action);
        Invoke(() =>
        {
            action();
            return true;
        });
    }

    /// <summary>Ends the thread after the work in progress.</summary>
    public void Dispose()
    {
        if (_work.IsAddingCompleted)
            return;
        _work.CompleteAdding();
        if (Thread.CurrentThread != _thread)
        {
            _thread.Join();
            _work.Dispose();
        }
    }

    private void Loop()
    {
        foreach (Action work in _work.GetConsumingEnumerable())
            work();
    }
}
