using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>The result of a container: how it ended, and what it used.</summary>
/// <param name="Status">How its first process ended, and what it used.</param>
/// <param name="TimedOut">Whether its first process was killed because its time was over. False where that had ended by itself just
/// before.</param>
/// <param name="Killed">Whether this program killed its first process, by disposal, cancellation or
/// <see cref="Container.KillAllAsync"/>, or <see cref="Container.StopAsync"/> after its grace. False where that had ended by
/// itself.</param>
/// <param name="Duration">From its start to its end; to the first wait for it where that came later.</param>
public sealed record ContainerResult(ExitStatus Status, bool TimedOut, bool Killed, TimeSpan Duration)
{

    /// <summary>The code that a shell would give: the exit code, or 128 plus the number of the signal that ended the program; 255 where
    /// nothing is known. <see cref="Status"/> tells one from another.</summary>
    public int ExitCode => Status.ShellCode;

    /// <summary>Whether the program exited with code 0, and nothing ended it or what it wrote.</summary>
    public bool IsSuccess => Status.Code == 0 && !OutputExceeded;

    /// <summary>Whether it wrote more than it may. Its program may have ended by itself before it was killed for that.</summary>
    internal bool OutputExceeded { get; init; }

    /// <summary>Whether it was killed for its CPU time.</summary>
    internal bool CpuTimeExceeded { get; init; }

    /// <summary>The exception of a stream or writer that was given to read from or to copy to; null where none threw. The container was
    /// killed then.</summary>
    public Exception? StreamFailure { get; init; }

    /// <summary>What all of its processes used; null where it had no control group of its own.</summary>
    public ContainerUsage? Usage { get; init; }

    /// <summary>The calls that its seccomp filter refused, or for which it was killed; empty unless they are reported.</summary>
    public ImmutableArray<SeccompDenial> Denials { get; init; } = [];

    /// <summary>Whether its first process was killed by its seccomp filter: by <c>SIGSYS</c>, or according to the report.</summary>
    public bool KilledBySeccomp => Status.Signal == Signal.SIGSYS
        || Denials.Any(d => d.Verdict.Action.Kind is SeccompActionKind.KillProcess or SeccompActionKind.KillThread && d.IsFirstProcess);

    /// <summary>The limits that the container hit.</summary>
    public LimitHits Limits => (TimedOut ? LimitHits.Time : LimitHits.None)
        | (OutputExceeded ? LimitHits.Output : LimitHits.None)
        | (CpuTimeExceeded || Status.Signal == Signal.SIGXCPU ? LimitHits.CpuTime : LimitHits.None)
        | (Status.Signal == Signal.SIGXFSZ ? LimitHits.FileSize : LimitHits.None) | (Usage?.Limits ?? LimitHits.None);

    /// <summary>Whether the kernel killed a process of it because memory ran out;
    /// by its own limit where <see cref="Limits"/> has <see cref="LimitHits.Memory"/>.</summary>
    public bool OomKilled => Usage is { OomKills: > 0 };

    /// <summary>Returns this result if <see cref="IsSuccess"/>.</summary>
    /// <exception cref="ContainerFailedException">It failed, or a stream did.</exception>
    public ContainerResult ThrowIfFailed() => IsSuccess && StreamFailure is null ? this : throw new ContainerFailedException(this);

    /// <inheritdoc/>
    public override string ToString() => $"{Status}{(TimedOut ? ", its time was over"
        : OutputExceeded ? ", it wrote more than it may"
        : CpuTimeExceeded ? ", its CPU time was used up" : Killed ? ", by request" : "")}{Memory}"
        + $"{(Limits.HasFlag(LimitHits.Pids) ? ", its limit of processes was reached" : "")}{Refused}";

    private string Refused => !Denials.IsEmpty ? $", refused by its seccomp filter: {string.Join("; ", Denials)}"
        : Status.Signal == Signal.SIGSYS ? ", killed by its seccomp filter (have denials reported to learn for which call)" : "";

    private string Memory => Usage is not { OomKills: > 0 } usage ? ""
        : Limits.HasFlag(LimitHits.Memory)
            ? $", out of memory by its own limit of {usage.MemoryMax.ToHumanString()} "
                + $"(peak {usage.PeakMemory.ToHumanString()})"
            : ", out of memory by a limit outside of it";
}
