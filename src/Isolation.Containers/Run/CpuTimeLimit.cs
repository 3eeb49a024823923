using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Events;

namespace Isolation.Containers;

/// <summary>Watches how much CPU time all processes of a container have used together, by its control group. It is looked at when all
/// processors could have used up the rest.</summary>
/// <remarks>RLIMIT_CPU is each process's own, and a fork begins anew.</remarks>
internal sealed class CpuTimeLimit : IDisposable
{
    private static readonly TimeSpan s_shortest = TimeSpan.FromMilliseconds(10), s_longest = TimeSpan.FromSeconds(1);

    private readonly Func<Cgroup?> _cgroup;
    private readonly TimeSpan _max;
    private readonly Action _exceeded;
    private readonly Lock _gate = new();
    private Deadline? _next;
    private CgroupStats? _stats;
    private bool _ended;

    private CpuTimeLimit(Func<Cgroup?> cgroup, TimeSpan max, Action exceeded) => (_cgroup, _max, _exceeded) = (cgroup, max, exceeded);

    /// <summary>Begins. Nothing of the control group is opened before the first look.</summary>
    /// <param name="cgroup">The control group; null once the container has ended.</param>
    /// <param name="max">The limit.</param>
    /// <param name="exceeded">Called once; may block.</param>
    /// <exception cref="LinuxException">There is no descriptor or no thread for a timer.</exception>
    internal static CpuTimeLimit Begin(Func<Cgroup?> cgroup, TimeSpan max, Action exceeded)
    {
        var limit = new CpuTimeLimit(cgroup, max, exceeded);
        limit.LookAfter(max);
        return limit;
    }

    /// <summary>Stops watching.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            _ended = true;
            _next?.Dispose();
            _stats?.Dispose();
        }
    }

    private void LookAfter(TimeSpan rest)
    {
        TimeSpan wait = rest / Environment.ProcessorCount;
        _next = Deadline.After(wait < s_shortest ? s_shortest : wait > s_longest ? s_longest : wait,
            () => BlockingWork.Cleanup.Post(Look));
    }

    private void Look()
    {
        bool exceeded = false;
        lock (_gate)
        {
            if (_ended)
                return;
            TimeSpan used = TimeSpan.Zero;
            try
            {
                if (_cgroup() is { } cgroup)
                    used = Read(cgroup);
            }
            catch (Exception e) when (e is LinuxException { Errno: Errno.ENODEV or Errno.ENOENT } or ObjectDisposedException)
            {
                return; // it is gone
            }
            catch (LinuxException)
            {
                // no descriptor or no memory for the moment
            }

            exceeded = used >= _max;
            if (!exceeded)
                LookAfter(_max - used);
        }

        if (exceeded)
            _exceeded();
    }

    private TimeSpan Read(Cgroup cgroup)
    {
        if (_stats is null)
            _stats = cgroup.OpenStats(CgroupStatKinds.Cpu);
        else
            _stats.Refresh();
        return _stats.Cpu?.Usage ?? TimeSpan.Zero;
    }
}
