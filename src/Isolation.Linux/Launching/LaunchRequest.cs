using Isolation.Linux.Programs;

namespace Isolation.Linux.Launching;

/// <summary>One launch in the queue. The launcher thread calls back once: started or failed.</summary>
internal abstract class LaunchRequest
{
    internal LaunchRequest? Next { get; set; }

    internal abstract LaunchProgram Program { get; }

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
