using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Calls a handler when a control group runs out of memory, before the kernel kills.</summary>
/// <remarks>On version 2 the group reaches <c>memory.high</c>, is frozen, and runs on after the answer. On version 1 the kernel's killer is
/// switched off by <c>memory.oom_control</c>, and processes that need more memory wait for the answer. Disposing ends the asking.</remarks>
/// <example><code>
/// await using OomPolicy policy = OomPolicy.Start(cgroup, (situation, _) =&gt;
///     new(situation.Count == 1 ? OomAction.RaiseTo(ByteSize.FromMebibytes(512)) : OomAction.Kill));
/// </code></example>
public sealed class OomPolicy : IAsyncDisposable
{
    private readonly Cgroup _cgroup;
    private readonly Func<OomSituation, CancellationToken, ValueTask<OomAction>> _decide;
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;
    private int _count;

    private OomPolicy(Cgroup cgroup, Func<OomSituation, CancellationToken, ValueTask<OomAction>> decide) =>
        (_cgroup, _decide) = (cgroup, decide);

    /// <summary>Ends with the asking; fails with what the program's answer threw.
    /// Then the control group is left as the kernel treats it.</summary>
    public Task Completion => _running;

    /// <summary>Starts to ask.</summary>
    /// <param name="cgroup">The control group, which stays the caller's. On version 2 it needs a <c>memory.high</c>,
    /// on version 1 a <c>memory.max</c>.</param>
    /// <param name="decide">Called for each time that memory runs out, one at a time.</param>
    /// <exception cref="LinuxException">The control group has no memory controller.</exception>
    /// <exception cref="InvalidOperationException">It has no limit that the kernel would ask at: <c>memory.max</c> of version 2 kills at
    /// once.</exception>
    public static OomPolicy Start(Cgroup cgroup, Func<OomSituation, CancellationToken, ValueTask<OomAction>> decide)
    {
        ArgumentNullException.ThrowIfNull(cgroup);
        ArgumentNullException.ThrowIfNull(decide);
        bool isV1 = cgroup is CgroupV1 { HasMemory: true };
        if (cgroup.Read(isV1 ? "memory.limit_in_bytes" : "memory.high")?.Trim() is { } limit && (limit == "max" || (isV1 && IsNone(limit))))
        {
            throw new InvalidOperationException(isV1
                ? $"Nothing would be asked: {cgroup} has no limit of memory. Set one by WithMemoryMax first."
                : $"Nothing would be asked: {cgroup} has no memory.high, and at memory.max the kernel kills at once. "
                    + "Set WithMemoryHigh below the maximum first.");
        }

        var policy = new OomPolicy(cgroup, decide);
        policy._running = cgroup is CgroupV1 { HasMemory: true } v1
            ? policy.RunAsync(v1, V1Events.Open(v1))
            : policy.RunAsync(cgroup.WatchEventsAsync("memory.events", policy._stop.Token));
        return policy;
    }

    /// <summary>Ends the asking, and gives the control group back to the kernel's own treatment.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stop.IsCancellationRequested)
            return;
        await _stop.CancelAsync().ConfigureAwait(false);
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
    }

    private async Task RunAsync(IAsyncEnumerable<CgroupEvent> events)
    {
        await Task.Yield();
        try
        {
            await foreach (CgroupEvent e in events.ConfigureAwait(false))
            {
                if (e.Name != "high")
                    continue;
                _cgroup.Freeze();
                try
                {
                    OomAction action = await AskAsync("memory.current", "memory.high").ConfigureAwait(false);
                    if (action.Kills)
                        _cgroup.Kill();
                    else if (action.Limit is { } limit)
                        _cgroup.WithMemoryHigh(limit);
                }
                finally
                {
                    _cgroup.Thaw();
                }
            }
        }
        catch (OperationCanceledException) when (_stop.IsCancellationRequested)
        {
            // disposed
        }
    }

    private async Task RunAsync(CgroupV1 cgroup, V1Events events)
    {
        await Task.Yield();
        using (events)
        {
            try
            {
                while (true)
                {
                    await events.WaitAsync(_stop.Token).ConfigureAwait(false);
                    if (!events.IsUnderOom)
                        continue;
                    OomAction action = await AskAsync("memory.usage_in_bytes", "memory.limit_in_bytes").ConfigureAwait(false);
                    if (action.Kills)
                        cgroup.Kill();
                    else if (action.Limit is { } limit)
                        cgroup.WithMemoryMax(limit);
                    else
                        events.LetTheKernelKillOnce();
                }
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                // disposed
            }
        }
    }

    // The kernel's largest value, rounded down to pages.
    private static bool IsNone(string limit) => long.Parse(limit, CultureInfo.InvariantCulture) >= long.MaxValue / 65_536 * 65_536;

    private ValueTask<OomAction> AskAsync(string usage, string limit) =>
        _decide(new OomSituation(_cgroup, Size(usage), Size(limit), ++_count), _stop.Token);

    private ByteSize Size(string file) => _cgroup.Read(file)?.Trim() is { } text && text != "max"
        ? new ByteSize(long.Parse(text, CultureInfo.InvariantCulture))
        : ByteSize.Max;

    /// <summary>Version 1's own way: an eventfd that is told of each time that memory runs out.</summary>
    private sealed class V1Events : IDisposable
    {
        private readonly CgroupDirectory _directory;
        private readonly LinuxHandle _control;
        private readonly EventFile _event;

        private V1Events(CgroupDirectory directory, LinuxHandle control, EventFile told) =>
            (_directory, _control, _event) = (directory, control, told);

        internal static V1Events Open(CgroupV1 cgroup)
        {
            CgroupDirectory directory = cgroup.TryDirectory("memory")!;
            LinuxHandle control = directory.OpenFile("memory.oom_control", Fcntl.O_RDONLY);
            SyscallResult made = FileSyscalls.EventFd();
            made.ThrowIfError("create", "an event counter", "eventfd2(2)");
            var counter = new LinuxHandle((int)made.Value);
            try
            {
                using (Borrow told = new(counter), watched = new(control))
                    directory.Write(new CgroupSetting("cgroup.event_control",
                        string.Create(CultureInfo.InvariantCulture, $"{told.Number} {watched.Number}")));
                directory.Write(new CgroupSetting("memory.oom_control", "1"));
                return new V1Events(directory, control, EventFile.For(counter, directory.Name("memory.oom_control")));
            }
            catch
            {
                counter.Dispose();
                control.Dispose();
                throw;
            }
        }

        internal bool IsUnderOom => EventFile.Flag(_directory.Read("memory.oom_control"), "under_oom");

        internal async Task WaitAsync(CancellationToken cancellationToken)
        {
            await _event.WaitForChangeAsync(cancellationToken, DescriptorWatcher.EPOLLIN).ConfigureAwait(false);
            FileSyscalls.Read(_event.Handle, stackalloc byte[8]); // takes the count, so that the next wait waits
        }

        /// <summary>Switches the kernel's killer on until it has taken one.</summary>
        internal void LetTheKernelKillOnce()
        {
            long before = EventFile.Value(_directory.Read("memory.oom_control"), "oom_kill");
            _directory.Write(new CgroupSetting("memory.oom_control", "0"));
            for (int i = 0; i < 1000 && IsUnderOom && EventFile.Value(_directory.Read("memory.oom_control"), "oom_kill") == before; i++)
                Thread.Sleep(1);
            _directory.Write(new CgroupSetting("memory.oom_control", "1"));
        }

        public void Dispose()
        {
            // A control group that was deleted meanwhile needs nothing any more.
            _directory.TryWrite("memory.oom_control", "0", out _);
            _event.Dispose();
            _control.Dispose();
        }
    }
}
