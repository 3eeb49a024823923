namespace Isolation.Linux.Programs;

/// <summary>The one thing that comes back from a program that failed: which step, and its errno.</summary>
/// <param name="Index">The step's index in the program.</param>
/// <param name="Errno">Its errno; <see cref="Errno.None"/> where a result broke the step's rule.</param>
internal readonly record struct StepFailure(int Index, Errno Errno);
