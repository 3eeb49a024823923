namespace Isolation.Linux.Launching;

/// <summary>The child was killed while it ran its steps: by the kernel for memory, by somebody, or because the launch took too
/// long.</summary>
internal sealed class KilledWhileStartingException(int step, ExitStatus status, TimeSpan? limit)
    : Exception($"The process was killed at step {step}: it {status}.")
{
    internal int StepIndex { get; } = step;

    internal ExitStatus Status { get; } = status;

    /// <summary>The time that the launch had, where it was killed because that was over.</summary>
    internal TimeSpan? Limit { get; } = limit;
}
