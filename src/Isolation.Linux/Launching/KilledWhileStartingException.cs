namespace Isolation.Linux.Launching;

/// <summary>The child was killed while it ran its steps: by the kernel for memory, or by somebody.</summary>
internal sealed class KilledWhileStartingException(int step, ExitStatus status) : Exception($"The process was killed at step {step}: it {status}.")
{
    internal int StepIndex { get; } = step;

    internal ExitStatus Status { get; } = status;
}
