using System.Collections.Immutable;
using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>A running container: the program that it was started for, held by a pidfd, and its init.
/// Disposing it kills everything in it.</summary>
/// <example><code>
/// await using Container container = await builder.WithStandardOutput(Stdio.Pipe).StartAsync();
/// await foreach (OutputLine line in container.ReadLinesAsync())
///     Console.WriteLine(line.Text);
/// ContainerResult result = await container.WaitAsync();
/// </code></example>
public sealed partial class Container : IAsyncDisposable, IDisposable
{
    private readonly TaskCompletionSource<Container> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ContainerResult> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private const byte Unreaped = 0, ReapedByWatcher = 1, ReapedByCaller = 2;

    private readonly int _brokenCall;
    private readonly Lock _reaperGate = new();
    private byte _reaper;
    private PidHandle? _process, _init;
    private Deadline? _deadline;
    private CpuTimeLimit? _cpuTime;
    private long _startTimestamp, _endTimestamp;
    private volatile bool _reaped;
    private Killer _killer;
    private HeldNamespace? _held;
    private ContainerUsage? _usage;
    private ContainerStreams? _streams;

    /// <summary>Who sent the first SIGKILL to the program's process while that had not ended.</summary>
    private enum Killer : byte
    {
        Nobody,
        Deadline,
        Output,
        CpuTime,
        Caller,
    }

    internal Container(LaunchPlan plan, int brokenCall)
    {
        Plan = plan;
        _brokenCall = brokenCall;
        Request = new ContainerLaunch(this);
    }

    /// <summary>The plan that it was started by.</summary>
    public LaunchPlan Plan { get; }

    /// <summary>The id of the program's process, as seen by this process.</summary>
    public int ProcessId => _process!.ProcessId;

    /// <summary>The program's process. Inside it is process 2, or process 1 where the container has no init.</summary>
    public PidHandle Process => _process!;

    /// <summary>Writes to the program's standard input; null unless that is a pipe.</summary>
    public Stream? StandardInput => _streams?.Input;

    /// <summary>Reads the program's standard output; null unless that is a pipe.</summary>
    public Stream? StandardOutput => _streams?.Output;

    /// <summary>Reads the program's standard error; null unless that is a pipe.</summary>
    public Stream? StandardError => _streams?.Error;

    /// <summary>The master side of the program's terminal; null unless it has one.</summary>
    public PseudoTerminal? Terminal { get; private set; }

    /// <summary>How long each step of the start took; empty unless that was asked for.</summary>
    public ImmutableArray<StepTime> StepTimes { get; private set; } = [];

    internal ContainerLaunch Request { get; }

    internal Task<Container> Started => _started.Task;

    /// <summary>Waits until the container has ended.</summary>
    /// <param name="cancellationToken">Ends the waiting; the container runs on.</param>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    /// <exception cref="LinuxException"><c>EMFILE</c>, <c>EAGAIN</c>: there is no descriptor or no thread to wait with. A later call tries
    /// again.</exception>
    public Task<ContainerResult> WaitAsync(CancellationToken cancellationToken = default)
    {
        EnsureWatched();
        return _ended.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Waits on the calling thread until the container has ended.</summary>
    public ContainerResult Wait()
    {
        // The first to wait does the reaping: the watcher for WaitAsync, this thread here.
        bool first;
        lock (_reaperGate)
        {
            first = _reaper == Unreaped;
            if (first)
                _reaper = ReapedByCaller;
        }

        if (first)
        {
            ExitStatus status = WaitSyscalls.Reap(_process!, block: true) ?? default;
            _reaped = true;
            _endTimestamp = Stopwatch.GetTimestamp();
            TellSurvivors();
            if (_init is not null)
            {
                _init.TrySendSignal(Signal.SIGKILL);
                WaitSyscalls.Reap(_init, block: true);
            }

            if (Plan.Slots.OwnsPid && Cgroup is null && _connection is null)
                Complete(status);
            else
                CompleteAfterCleanup(status);
        }

        return _ended.Task.GetAwaiter().GetResult();
    }

    /// <summary>Sends a signal to the program's process, by its pidfd. A signal to a process that has ended is dropped.</summary>
    /// <remarks>A program that is process 1 ignores signals that it has no handler for,
    /// SIGKILL and SIGSTOP from outside excepted.</remarks>
    /// <param name="signal">The signal, 0 to 64.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: the process changed to a user that this one may not signal.</exception>
    public void Kill(Signal signal = Signal.SIGKILL)
    {
        ArgumentOutOfRangeException.ThrowIfNegative((int)signal, nameof(signal));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((int)signal, 64, nameof(signal));
        var result = _process!.TrySendSignal(signal);
        if (result.Errno != Errno.ESRCH)
            result.ThrowIfError($"send signal {signal} to", "the container", "pidfd_send_signal(2)");
    }

    /// <summary>Kills everything in the container, and waits until it is gone.</summary>
    public async Task<ContainerResult> KillAllAsync()
    {
        KillEverything(Killer.Caller);
        try
        {
            EnsureWatched();
        }
        catch (LinuxException)
        {
            return Wait(); // no descriptor or no thread for the watcher; what was killed ends soon
        }

        return await _ended.Task.ConfigureAwait(false);
    }

    /// <summary>Kills everything in the container, waits until it is gone, and closes its streams.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_process is null || _process.IsClosed)
            return;
        await KillAllAsync().ConfigureAwait(false);
        Close();
    }

    /// <summary>Kills everything in the container, waits on the calling thread until it is gone, and closes its streams. No thread of the
    /// pool is needed.</summary>
    public void Dispose()
    {
        if (_process is null || _process.IsClosed)
            return;
        KillEverything(Killer.Caller);
        Wait();
        Close();
    }

    private void Close()
    {
        _deadline?.Dispose();
        CloseStreams();
        _init?.Dispose();
        _process!.Dispose();
    }

    private void KillEverything(Killer killer)
    {
        if (_process!.IsClosed)
            return;
        // Process 1 takes its PID namespace with it, and ends after all in it have ended.
        KillProgram(killer);
        _init?.TrySendSignal(Signal.SIGKILL);
        if (Plan.Slots.OwnsPid)
            LetDie();
        else
            KillOthers();
    }

    private void KillProgram(Killer killer)
    {
        // A zombie takes a signal as well, and nobody has killed it by that.
        if (_reaped || _process!.HasExited)
            return;
        Interlocked.CompareExchange(ref _killer, killer, Killer.Nobody); // first: the end may come before the next line
        _process.TrySendSignal(Signal.SIGKILL);
    }

    /// <summary>On the watcher's thread, which must not be blocked by what killing takes.</summary>
    private void OnTimeout()
    {
        if (_reaped)
            return;
        KillProgram(Killer.Deadline); // mostly that is all of it
        BlockingWork.Cleanup.Post(() =>
        {
            Started.GetAwaiter().GetResult();
            KillEverything(Killer.Deadline);
        });
    }

    /// <summary>For too much output, or since the caller's streams fail. Not where they are copied, which is on the watcher's
    /// thread.</summary>
    private void KillForStreams(bool exceeded) => BlockingWork.Cleanup.Post(() =>
    {
        Started.GetAwaiter().GetResult();
        KillEverything(exceeded ? Killer.Output : Killer.Caller);
    });

    /// <summary>Called by whoever reaped the program's process: what else is in the container ends now, and its init last of all.</summary>
    private void OnEnded(ExitStatus status)
    {
        _reaped = true;
        _endTimestamp = Stopwatch.GetTimestamp();
        TellSurvivors();
        if (_init is null)
        {
            OnGone(status);
            return;
        }

        _init.TrySendSignal(Signal.SIGKILL);
        try
        {
            ExitWatcher.Watch(_init, _ => OnGone(status));
        }
        catch (LinuxException)
        {
            BlockingWork.Cleanup.Post(() =>
            {
                WaitSyscalls.Reap(_init, block: true);
                OnGone(status);
            });
        }
    }

    private void OnGone(ExitStatus status)
    {
        if (Plan.Slots.OwnsPid && Cgroup is null && _notifier is null && _connection is null)
            Complete(status);
        else
            BlockingWork.Cleanup.Post(() => CompleteAfterCleanup(status));
    }

    // Not on the watcher's thread, which serves all containers.
    private void CompleteAfterCleanup(ExitStatus status)
    {
        if (!Plan.Slots.OwnsPid)
            Attempt("kill what the program has left", KillOthers);
        Attempt("release its namespaces", ReleaseHeld);
        Attempt("release its network", ReleaseNetwork);
        Attempt("remove its control group", () => _usage = RemoveCgroup());
        Complete(status);
    }

    private void Attempt(string action, Action cleanUp)
    {
        try
        {
            cleanUp();
        }
#pragma warning disable CA1031 // Out of descriptors or memory: what could not be removed is so later; who waits must learn of the end.
        catch (Exception e)
#pragma warning restore CA1031
        {
            TellCleanUpFailure(action, e);
        }
    }

    private void Complete(ExitStatus status)
    {
        _deadline?.Dispose();
        _cpuTime?.Dispose();
        // A program may end by itself between the signal's sending and its taking.
        Killer killer = status.Signal == Signal.SIGKILL || !status.IsKnown ? _killer : Killer.Nobody;
        TimeSpan duration = Stopwatch.GetElapsedTime(_startTimestamp, _endTimestamp);
        var result = new ContainerResult(status, killer == Killer.Deadline, killer == Killer.Caller, duration)
        {
            Usage = _usage,
            Denials = EndListening(),
            CpuTimeExceeded = killer == Killer.CpuTime,
        };
        if (_streams is null)
            SetEnded(result);
        else
            FinishStreams(_streams, result);
    }

    private void EnsureWatched()
    {
        lock (_reaperGate)
        {
            if (_reaper != Unreaped)
                return;
            ExitWatcher.Watch(_process!, OnEnded);
            // Only now: where it cannot be watched, the next to wait tries again.
            _reaper = ReapedByWatcher;
        }
    }

    private void CloseStreams()
    {
        _streams?.Dispose();
        Terminal?.Dispose();
    }

    private void OnStarted(PidHandle process, ProgramMemory memory, TimeSpan begin, string cgroupName)
    {
        _process = process;
        TimeSpan launching = Stopwatch.GetElapsedTime(_startTimestamp);
        _startTimestamp = Stopwatch.GetTimestamp();
        if (Plan.Asked.TimeSteps)
            StepTimes = Plan.Lowered.ReadTimes(memory, begin, ContainerLaunch.Now);
        try
        {
            if (Plan.Slots.Streams.HasPipes)
                OpenStreams(memory);
            if (Plan.Slots.TerminalSocket is { } socket)
                Terminal = PseudoTerminal.Receive(Take(socket, memory));
            if (Plan.Slots.HoldSocket is { } hold)
                _held = HeldNamespace.Receive(Take(hold, memory));
            _notifier?.AwaitListener();
            if (Plan.Spec.Timeout is { } timeout)
                _deadline = Deadline.After(timeout, OnTimeout);
            if (Plan.Spec.CpuTimeMax is { } max)
                LimitCpuTime(max);
        }
        catch
        {
            CloseStreams();
            ReleaseHeld();
            _deadline?.Dispose();
            _cpuTime?.Dispose();
            throw;
        }

        // Last: nothing that fails comes after it, for the undoing of a launch removes the control group by its slots.
        Cgroup = Plan.Slots.Cgroup?.Adopt(memory, cgroupName);
        TellStarted(begin, launching);
        _started.TrySetResult(this);
    }

    /// <summary>Takes a descriptor out of its slot: should the start fail after all, it is not closed twice.</summary>
    private static LinuxHandle Take(Slot slot, ProgramMemory memory)
    {
        ref int descriptor = ref memory.SlotValue(slot);
        var handle = new LinuxHandle(descriptor);
        descriptor = -1;
        return handle;
    }
}
