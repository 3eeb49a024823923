using System.Runtime.CompilerServices;
using System.Text;
using Isolation.Linux;

namespace Isolation.Cgroups;

public abstract partial class Cgroup
{
    /// <summary>Yields what happens in an event file from now on, each change once: <c>memory.events</c>, <c>memory.events.local</c>,
    /// <c>memory.swap.events</c>, <c>pids.events</c>, <c>cgroup.events</c>, <c>hugetlb.2MB.events</c>, <c>misc.events</c>.</summary>
    /// <remarks>The kernel announces a change, and the counters are compared with those read before: what happens between two reads comes
    /// as one event with its count, and nothing is missed. The counters are read at the call: what happened before does not come.</remarks>
    /// <param name="file">The file's name.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: the control group has no such file.</exception>
    /// <exception cref="KernelFeatureException">The controller is on version 1, which has no such file: <c>pids.events</c> is its only
    /// one.</exception>
    /// <exception cref="OperationCanceledException">The stream was cancelled.</exception>
    public IAsyncEnumerable<CgroupEvent> WatchEventsAsync(string file, CancellationToken cancellationToken = default)
    {
        EventFile events = OpenEvents(file ?? throw new ArgumentNullException(nameof(file)));
        return WatchAsync(events, file, Parse(events.Read()), Announces(file) ? null : s_pollInterval, cancellationToken);
    }

    /// <summary>Yields the pressure each time that a trigger fires. The kernel fires at most once in a window.</summary>
    /// <param name="trigger">The threshold and window that fire an event.</param>
    /// <param name="cancellationToken">Ends the stream.</param>
    /// <exception cref="LinuxException"><c>EINVAL</c>: threshold or window. <c>EOPNOTSUPP</c>: pressure is not measured.</exception>
    /// <exception cref="KernelFeatureException">The host has no version 2, which alone measures pressure.</exception>
    public IAsyncEnumerable<Pressure> WatchPressureAsync(PressureTrigger trigger, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(trigger);
        return trigger.WatchAsync(Unified ?? throw new KernelFeatureException("pressure triggers",
            "only version 2 has them, and it is not mounted", "Mount cgroup2."), cancellationToken);
    }

    private protected abstract EventFile OpenEvents(string file);

    /// <summary>Whether the kernel announces changes of a file; else it is read again and again.</summary>
    private protected virtual bool Announces(string file) => true;

    private static readonly TimeSpan? s_pollInterval = TimeSpan.FromMilliseconds(50);

    private static async IAsyncEnumerable<CgroupEvent> WatchAsync(EventFile events, string file, KeyedValues before, TimeSpan? interval,
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        using (events)
        {
            bool flags = file == "cgroup.events";
            while (true)
            {
                if (interval is { } time)
                    await Task.Delay(time, cancellationToken).ConfigureAwait(false);
                else
                    await events.WaitForChangeAsync(cancellationToken).ConfigureAwait(false);
                KeyedValues now = Parse(events.Read());
                foreach (string key in now.Keys)
                {
                    long total = now.Get(key), last = before.Get(key);
                    if (total != last)
                        yield return new CgroupEvent(file, key, flags ? total : total - last, total);
                }

                if (now.Count == 0)
                    yield break; // it was deleted
                before = now;
            }
        }
    }

    private static KeyedValues Parse(string text)
    {
        var values = new KeyedValues();
        values.Parse(Encoding.UTF8.GetBytes(text));
        return values;
    }
}
