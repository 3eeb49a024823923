using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>How a container ended.</summary>
/// <param name="Status">How its first process ended, and what it used.</param>
/// <param name="TimedOut">Whether it was killed because its time was over.</param>
/// <param name="Killed">Whether this program killed it, by disposal, cancellation or <see cref="ContainerProcess.KillAllAsync"/>.</param>
/// <param name="Duration">From its start to its end.</param>
public sealed record ContainerResult(ExitStatus Status, bool TimedOut, bool Killed, TimeSpan Duration)
{
    /// <summary>What all of its processes used; null where it had no control group of its own.</summary>
    public ContainerUsage? Usage { get; init; }

    /// <summary>The calls that its seccomp filter refused, or for which it was killed; empty unless they are reported.</summary>
    public ImmutableArray<SeccompDenial> Denials { get; init; } = [];

    /// <summary>Whether its first process was killed by its seccomp filter: by the report's word, or by <c>SIGSYS</c>.</summary>
    public bool KilledBySeccomp => Status.Signal == 31 || Denials.Any(d => d.Verdict.Action.Kind is SeccompActionKind.KillProcess or SeccompActionKind.KillThread && d.IsFirstProcess);

    /// <summary>The limits that made themselves felt.</summary>
    public ContainerLimits Limits => (TimedOut ? ContainerLimits.Time : ContainerLimits.None) | (Usage?.Limits ?? ContainerLimits.None);

    /// <summary>Whether the kernel killed a process of it for want of memory; by its own limit where <see cref="Limits"/> has <see cref="ContainerLimits.Memory"/>.</summary>
    public bool OomKilled => Usage is { OomKills: > 0 };

    /// <inheritdoc/>
    public override string ToString() => $"{Status}{(TimedOut ? ", its time was over" : Killed ? ", by request" : "")}{Memory}{(Limits.HasFlag(ContainerLimits.Pids) ? ", its limit of processes was reached" : "")}{Refused}";

    private string Refused => !Denials.IsEmpty ? $", refused by its seccomp filter: {string.Join("; ", Denials)}"
        : Status.Signal == 31 ? ", killed by its seccomp filter (have denials reported to learn for which call)" : "";

    private string Memory => Usage is not { OomKills: > 0 } usage ? ""
        : Limits.HasFlag(ContainerLimits.Memory)
            ? $", out of memory by its own limit of {usage.MemoryMax.ToHumanString()} (peak {new ByteSize(usage.PeakMemory).ToHumanString()})"
            : ", out of memory by a limit outside of it";
}
