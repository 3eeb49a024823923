using System.Runtime.CompilerServices;

namespace Isolation.Linux.Events;

/// <summary>Runs what may block on threads of its own, made when they are needed and ended when they are idle: it waits for no thread pool
/// and holds up no watcher.</summary>
internal sealed class BlockingWork(string name, int maximum)
{
    private static readonly TimeSpan s_idleTime = TimeSpan.FromSeconds(5);

    private readonly object _gate = new();
    private readonly Queue<Action> _work = new();
    private int _threads, _idle;

    /// <summary>What containers need when they end: locks of networks, control groups that are removed.</summary>
    internal static BlockingWork Cleanup { get; } = new("isolation cleanup", maximum: 16);

    /// <summary>Runs the action soon. Where no thread can be made and none is there, it is run at once, on the calling thread.</summary>
    internal void Post(Action action)
    {
        bool start;
        lock (_gate)
        {
            _work.Enqueue(action);
            start = _work.Count > _idle && _threads < maximum;
            if (start)
                _threads++;
            else
                Monitor.Pulse(_gate);
        }

        if (!start)
            return;
        try
        {
            OwnThread.Start(name, Run);
        }
        catch (LinuxException)
        {
            // It takes all there is, and counts as a thread meanwhile.
            Run(TimeSpan.Zero);
        }
    }

    private void Run() => Run(s_idleTime);

    private void Run(TimeSpan patience)
    {
        while (RunNext(patience))
        {
        }
    }

    // A method of its own, so that a thread that waits holds nothing of what it did last: a container's descriptors, for one.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private bool RunNext(TimeSpan patience)
    {
        if (Take(patience) is not { } action)
            return false;
        RunOne(action);
        return true;
    }

    /// <summary>The next piece of work; null where none came, and the thread is counted out.</summary>
    private Action? Take(TimeSpan patience)
    {
        lock (_gate)
        {
            _idle++;
            if (_work.Count == 0)
                Monitor.Wait(_gate, patience);
            _idle--;
            if (_work.TryDequeue(out Action? action))
                return action;
            _threads--;
            return null;
        }
    }

    private static void RunOne(Action action)
    {
        try
        {
            action();
        }
#pragma warning disable CA1031 // Work tells its failures itself; what it forgets must not end the process.
        catch (Exception)
#pragma warning restore CA1031
        {
        }
    }
}
