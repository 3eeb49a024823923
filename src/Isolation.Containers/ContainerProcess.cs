using System.Collections.Immutable;
using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Microsoft.Win32.SafeHandles;

namespace Isolation.Containers;

/// <summary>A running container: its first process, held by a pidfd. Disposing it kills everything in it.</summary>
public sealed partial class ContainerProcess : IAsyncDisposable
{
    private readonly TaskCompletionSource<ContainerProcess> _started = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<ContainerResult> _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private const int Unreaped = 0, ReapedByWatcher = 1, ReapedByCaller = 2;

    private readonly int _brokenCall;
    private int _reaper;
    private PidHandle? _process;
    private Timer? _timer;
    private long _startTimestamp;
    private volatile bool _timedOut, _killed;
    private ulong _mountNamespace;
    private ContainerUsage? _usage;

    internal ContainerProcess(LaunchPlan plan, int brokenCall)
    {
        Plan = plan;
        _brokenCall = brokenCall;
        Request = new ContainerLaunch(this);
    }

    /// <summary>The plan that it was started by.</summary>
    public LaunchPlan Plan { get; }

    /// <summary>The id of its first process, as seen by this process.</summary>
    public int ProcessId => _process!.ProcessId;

    /// <summary>Its first process.</summary>
    public PidHandle Process => _process!;

    /// <summary>Writes to the program's standard input; null unless that is a pipe.</summary>
    public Stream? StandardInput { get; private set; }

    /// <summary>Reads the program's standard output; null unless that is a pipe.</summary>
    public Stream? StandardOutput { get; private set; }

    /// <summary>Reads the program's standard error; null unless that is a pipe.</summary>
    public Stream? StandardError { get; private set; }

    /// <summary>The master side of the program's terminal; null unless it has one.</summary>
    public PseudoTerminal? Terminal { get; private set; }

    /// <summary>How long each step of the start took; empty unless that was asked for.</summary>
    public ImmutableArray<StepTime> StepTimes { get; private set; } = [];

    internal LaunchRequest Request { get; }

    internal Task<ContainerProcess> Started => _started.Task;

    /// <summary>Waits until the container has ended.</summary>
    /// <param name="cancellationToken">Ends the waiting; the container runs on.</param>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    public Task<ContainerResult> WaitAsync(CancellationToken cancellationToken = default)
    {
        EnsureWatched();
        return _ended.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Waits on the calling thread until the container has ended.</summary>
    public ContainerResult Wait()
    {
        // The first to wait does the reaping: the watcher for WaitAsync, this thread here.
        if (Interlocked.CompareExchange(ref _reaper, ReapedByCaller, Unreaped) == Unreaped)
        {
            ExitStatus status = WaitSyscalls.Reap(_process!.Descriptor, block: true) ?? default;
            if (Plan.Slots.OwnsPid && Cgroup is null && _connection is null)
                Complete(status);
            else
                CompleteAfterCleanup(status);
        }

        return _ended.Task.GetAwaiter().GetResult();
    }

    /// <summary>Sends a signal to the first process, by its pidfd. A signal to a process that has ended is dropped.</summary>
    /// <remarks>Process 1 of a PID namespace ignores signals that it has no handler for, SIGKILL and SIGSTOP from outside excepted;
    /// with an init, they reach the program.</remarks>
    /// <param name="signal">The signal's number, 0 to 64.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: the process changed to a user that this one may not signal.</exception>
    public void Kill(int signal = 9)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(signal);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(signal, 64);
        var result = _process!.TrySendSignal(signal);
        if (result.Errno is not (Errno.ESRCH or Errno.EBADF))
            result.ThrowIfError("send a signal to", "the container", "pidfd_send_signal(2)");
    }

    /// <summary>Kills everything in the container, and waits until it is gone.</summary>
    public async Task<ContainerResult> KillAllAsync()
    {
        _killed = !_ended.Task.IsCompleted;
        KillEverything();
        EnsureWatched();
        return await _ended.Task.ConfigureAwait(false);
    }

    /// <summary>Kills everything in the container, waits until it is gone, and closes its streams.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_process is null || _process.IsClosed)
            return;
        await KillAllAsync().ConfigureAwait(false);
        if (_timer is not null)
            await _timer.DisposeAsync().ConfigureAwait(false);
        CloseStreams();
        _process.Dispose();
    }

    internal async Task<ContainerProcess> StartedOrCancelled(CancellationToken cancellationToken)
    {
        ContainerProcess process = await Started.ConfigureAwait(false);
        if (!cancellationToken.IsCancellationRequested)
            return process;
        await process.DisposeAsync().ConfigureAwait(false);
        throw new OperationCanceledException(cancellationToken);
    }

    private void KillEverything()
    {
        if (_process!.IsClosed)
            return;
        // Process 1 takes its PID namespace with it, and ends after all in it have ended.
        _process.TrySendSignal(9);
        if (!Plan.Slots.OwnsPid && !TryKillCgroup())
            ProcessScan.KillAllIn(_mountNamespace);
    }

    private void OnTimeout(object? state)
    {
        if (_ended.Task.IsCompleted)
            return;
        _timedOut = true;
        KillEverything();
    }

    /// <summary>Called by whoever reaped it.</summary>
    private void OnEnded(ExitStatus status)
    {
        if (Plan.Slots.OwnsPid && Cgroup is null && _notifier is null && _connection is null)
            Complete(status);
        else
            ThreadPool.QueueUserWorkItem(static ended => ended.Container.CompleteAfterCleanup(ended.Status), (Container: this, Status: status), preferLocal: false);
    }

    // Not on the watcher's thread, which serves all containers.
    private void CompleteAfterCleanup(ExitStatus status)
    {
        if (!Plan.Slots.OwnsPid)
        {
            TryKillCgroup();
            ProcessScan.KillAllIn(_mountNamespace);
        }

        ReleaseNetwork();
        _usage = RemoveCgroup();
        Complete(status);
    }

    private void Complete(ExitStatus status) =>
        _ended.TrySetResult(new ContainerResult(status, _timedOut, _killed && !_timedOut, Stopwatch.GetElapsedTime(_startTimestamp)) { Usage = _usage, Denials = EndListening() });

    private void EnsureWatched()
    {
        if (Interlocked.CompareExchange(ref _reaper, ReapedByWatcher, Unreaped) == Unreaped)
            ExitWatcher.Watch(_process!, OnEnded);
    }

    private void CloseStreams()
    {
        StandardInput?.Dispose();
        StandardOutput?.Dispose();
        StandardError?.Dispose();
        Terminal?.Dispose();
    }

    private void OnStarted(PidHandle process, ProgramMemory memory, TimeSpan begin, string cgroupName)
    {
        _process = process;
        Cgroup = Plan.Slots.Cgroup?.Adopt(memory, cgroupName);
        _startTimestamp = Stopwatch.GetTimestamp();
        if (Plan.Spec.TimeSteps)
            StepTimes = Plan.Lowered.ReadTimes(memory, begin, ContainerLaunch.Now);
        Slot?[] pipes = Plan.Slots.Streams.Pipes;
        StandardInput = Open(pipes[0], memory, FileAccess.Write);
        StandardOutput = Open(pipes[1], memory, FileAccess.Read);
        StandardError = Open(pipes[2], memory, FileAccess.Read);
        if (Plan.Slots.TerminalSocket is { } socket)
            Terminal = PseudoTerminal.Receive(memory.SlotValue(socket));
        if (!Plan.Slots.OwnsPid)
            _mountNamespace = ProcessScan.MountNamespaceOf(process.ProcessId);
        if (Plan.Spec.Timeout is { } timeout)
            _timer = new Timer(OnTimeout, null, timeout, System.Threading.Timeout.InfiniteTimeSpan);
        _started.TrySetResult(this);
    }

    private static FileStream? Open(Slot? slot, ProgramMemory memory, FileAccess access) =>
        slot is null ? null : new FileStream(new SafeFileHandle(memory.SlotValue(slot), ownsHandle: true), access, bufferSize: 0);
}
