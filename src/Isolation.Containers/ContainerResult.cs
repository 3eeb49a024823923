using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>How a container ended.</summary>
/// <param name="Status">How its first process ended, and what it used.</param>
/// <param name="TimedOut">Whether it was killed because its time was over.</param>
/// <param name="Killed">Whether this program killed it, by disposal, cancellation or <see cref="ContainerProcess.KillAllAsync"/>.</param>
/// <param name="Duration">From its start to its end.</param>
public sealed record ContainerResult(ExitStatus Status, bool TimedOut, bool Killed, TimeSpan Duration)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Status}{(TimedOut ? ", its time was over" : Killed ? ", by request" : "")}";
}
