using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>The processes that one launch has made so far, all of them children of this process;
/// killed and reaped where it fails.</summary>
internal sealed class LaunchedProcesses : IDisposable
{
    private const int Attempts = 8;

    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(10);

    private PidHandle? _first, _init, _program;
    private bool _isIntermediate;
    private int _initId, _programId;

    /// <param name="first">What the clone has made.</param>
    /// <param name="isIntermediate">Whether that makes the others, in a process group of its own.</param>
    internal LaunchedProcesses(PidHandle first, bool isIntermediate) => (_first, _isIntermediate) = (first, isIntermediate);

    /// <summary>The process that executes the program.</summary>
    internal PidHandle Program => _program ?? _first!;

    /// <summary>Process 1 of the program's PID namespace; null where that is the program.</summary>
    internal PidHandle? Init => _init;

    /// <summary>Trades the intermediate process for those that it has made; false where it has failed before it told of them.</summary>
    /// <exception cref="LinuxException">This process is out of descriptors.</exception>
    internal bool Receive(LinuxHandle socket)
    {
        Span<long> ids = stackalloc long[2];
        Span<int> room = stackalloc int[2], descriptors = room;
        // Others may hold the sending end too for a moment, so that no end of file can be waited for.
        PollSyscalls.WaitForFirst(socket, _first!);
        SyscallResult received;
        int attempts = 0;
        do
        {
            descriptors = room;
            received = SocketSyscalls.ReceiveDescriptors(socket, ids, ref descriptors);
        }
        while (received.IsError && attempts++ < Attempts); // those that it tells of have left its process group: nobody else would end them
        // Nothing to receive: the intermediate process has ended before it told.
        if (received.Value == 0 || received.Errno == Errno.EAGAIN)
            return false;
        received.ThrowIfError("receive", "the new processes", "recvmsg(2)");
        bool hasInit = received.Value == 16;
        (_initId, _programId) = hasInit ? ((int)ids[0], (int)ids[1]) : (0, (int)ids[0]);
        _isIntermediate = false;
        WaitSyscalls.Reap(_first!, block: true);
        _first!.Dispose();
        _first = null;
        // Born of the sealed image, which has executed itself: without this program's memory.
        if (hasInit && descriptors.Length > 0)
            _init = new PidHandle(descriptors[0], _initId) { HasOwnPeak = true };
        if (descriptors.Length == (hasInit ? 2 : 1))
            _program = new PidHandle(descriptors[^1], _programId) { HasOwnPeak = true };
        if (_program is null)
            throw new LinuxException("receive", "the new processes", "recvmsg(2)", Errno.EMFILE);
        return true;
    }

    /// <summary>Kills all of them, and waits until they are gone.</summary>
    internal ExitStatus KillAndReap()
    {
        // The program's process first: an init ends only when all others in its namespace were reaped.
        if (_isIntermediate)
            RawSyscall.Invoke(Syscall.kill, (nuint)(-_first!.ProcessId), Sched.SIGKILL);
        _init?.TrySendSignal(Signal.SIGKILL);
        // Not reaped, so the numbers are still theirs.
        if (_init is null && _initId != 0)
            RawSyscall.Invoke(Syscall.kill, (nuint)_initId, Sched.SIGKILL);
        ExitStatus status = default;
        if ((_program ?? _first) is { } known)
        {
            known.TrySendSignal(Signal.SIGKILL);
            status = ReapSoon(known);
        }
        else
        {
            RawSyscall.Invoke(Syscall.kill, (nuint)_programId, Sched.SIGKILL);
            WaitSyscalls.ReapId(Sched.P_PID, _programId);
        }

        if (_isIntermediate)
            WaitSyscalls.ReapId(Sched.P_PGID, _first!.ProcessId);
        if (_init is not null)
            ReapSoon(_init);
        else if (_initId != 0)
            WaitSyscalls.ReapId(Sched.P_PID, _initId);
        Dispose();
        return status;
    }

    /// <summary>A file system that does not answer may hold what was killed: then the watcher reaps it.</summary>
    private static ExitStatus ReapSoon(PidHandle process)
    {
        if (PollSyscalls.WaitForEither(process, process, s_patience))
            return WaitSyscalls.Reap(process, block: true) ?? default;
        ExitWatcher.Watch(process, static _ => { });
        return default;
    }

    public void Dispose()
    {
        _first?.Dispose();
        _init?.Dispose();
        _program?.Dispose();
    }
}
