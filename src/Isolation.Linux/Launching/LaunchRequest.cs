using Isolation.Linux.Programs;

namespace Isolation.Linux.Launching;

/// <summary>One launch in the queue. The launcher thread calls back once: started or failed.</summary>
internal abstract class LaunchRequest
{
    internal LaunchRequest? Next { get; set; }

    internal abstract LaunchProgram Program { get; }

    /// <summary>Handles that stay open until the launch has succeeded or failed, whoever disposes them meanwhile: what the caller gave is
    /// held from the request on.</summary>
    internal HeldHandles Held { get; } = new();

    /// <summary>Ends the launch while it is under way.</summary>
    internal LaunchCancellation Cancellation { get; } = new();

    /// <summary>How long the launch may take: whatever it waits for, it then ends, and fails.</summary>
    internal virtual TimeSpan Limit => TimeSpan.FromSeconds(60);

    /// <summary>The index of a step to make fail, for fault injection; -1 for none.</summary>
    internal virtual int BrokenStep => -1;

    /// <summary>Fills slots that this launch alone knows: descriptors of the caller.</summary>
    internal virtual void Prepare(ProgramMemory memory)
    {
    }

    /// <summary>Does what is left between the parent's steps and the clone. What it throws fails the launch.</summary>
    internal virtual void BeforeClone(ProgramMemory memory)
    {
    }

    /// <summary>Does what this process owes the child that waits for it: id maps, a network. What it throws fails the launch.</summary>
    /// <param name="processId">The waiting child, which cannot be reaped meanwhile.</param>
    internal virtual void Serve(int processId) => Program.Handshake?.Serve(processId);

    /// <summary>Does what it owes the program's process where an intermediate one has made that. What it throws fails the launch.</summary>
    /// <param name="processId">The waiting process, which cannot be reaped meanwhile.</param>
    internal virtual void Connect(int processId)
    {
    }

    /// <summary>The launch has left an init behind: process 1 of the PID namespace of the process that is about to be told of.
    /// The handle is the request's now.</summary>
    internal virtual void OnInit(PidHandle init)
    {
    }

    /// <summary>Removes what the launch has made, while its slots still hold their descriptors; the child is gone.</summary>
    internal virtual void Undo(ProgramMemory memory)
    {
    }

    /// <summary>The new process runs its program. The memory still holds the slots; it is reused after the call.</summary>
    internal abstract void OnStarted(PidHandle process, ProgramMemory memory);

    /// <summary>A step failed; every trace of the launch is gone.</summary>
    internal abstract void OnFailed(StepFailure failure);

    /// <summary>The launch failed outside its steps: clone refused, child killed, handshake failed.</summary>
    internal abstract void OnFailed(Exception exception);
}
