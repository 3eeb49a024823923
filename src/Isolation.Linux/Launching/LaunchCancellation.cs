using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Ends a launch that is under way, whatever it waits for: kills its child, until the launcher thread has noticed and undone
/// it.</summary>
/// <remarks>A launch that its caller does not cancel ends by its limit of time.</remarks>
internal sealed class LaunchCancellation
{
    private static readonly TimeSpan s_again = TimeSpan.FromMilliseconds(10);

    private readonly Lock _gate = new();
    private ProgramMemory? _memory;
    private PidHandle? _process;
    private bool _over;

    /// <summary>Whether the launch is to end.</summary>
    internal bool IsRequested { get; private set; }

    /// <summary>Whether its time was over.</summary>
    internal bool IsTimedOut { get; private set; }

    /// <summary>Ends the launch. Returns at once.</summary>
    internal void Request()
    {
        lock (_gate)
            IsRequested = true;
        KillUntilOver();
    }

    /// <summary>Ends the launch where it has not ended after some time.</summary>
    /// <exception cref="LinuxException">There is no descriptor or no thread for the timer.</exception>
    internal Deadline Limit(TimeSpan time) => Deadline.After(time, () =>
    {
        lock (_gate)
            IsRequested = IsTimedOut = true;
        KillUntilOver();
    });

    /// <summary>From now on the child is the one whose pidfd the kernel leaves in the memory.</summary>
    internal void Begin(ProgramMemory memory)
    {
        memory.Int32(InterpreterLayout.PidDescriptor) = -1;
        lock (_gate)
            _memory = memory;
    }

    /// <summary>From now on the child is this one, until another follows.</summary>
    internal void Follow(PidHandle process)
    {
        lock (_gate)
            (_memory, _process) = (null, process);
    }

    /// <summary>Nothing of the launch can be killed any more.</summary>
    internal void End()
    {
        lock (_gate)
        {
            _over = true;
            (_memory, _process) = (null, null);
        }
    }

    private void KillUntilOver()
    {
        lock (_gate)
        {
            if (_over)
                return;
            // While the gate is held nobody closes the descriptor.
            if (_process is not null)
                _process.TrySendSignal(Signal.SIGKILL);
            else if (_memory?.Int32(InterpreterLayout.PidDescriptor) is >= 0 and int descriptor)
                RawSyscall.Invoke(Syscall.pidfd_send_signal, (nuint)descriptor, Sched.SIGKILL, 0, 0);
        }

        try
        {
            Deadline.After(s_again, KillUntilOver);
        }
        catch (LinuxException)
        {
            BlockingWork.Cleanup.Post(() =>
            {
                Thread.Sleep(s_again);
                KillUntilOver();
            });
        }
    }
}
