using System.Globalization;

namespace Isolation.Linux;

/// <summary>How a process ended, as waitid(2) reports it, and what it used.</summary>
/// <param name="Code">The exit code, 0 to 255; null where a signal ended it or the status is not known.</param>
/// <param name="Signal">The signal that ended it; null where it exited or the status is not known.</param>
/// <param name="CoreDumped">Whether it left a core dump.</param>
/// <param name="Usage">What it and the children it waited for used; null where the status came after someone else reaped it.</param>
public readonly record struct ExitStatus(int? Code, Signal? Signal, bool CoreDumped, ResourceUsage? Usage)
{
    /// <summary>Whether the status is known. It is not where another part of the program reaped the process on an old kernel.</summary>
    public bool IsKnown => Code is not null || Signal is not null;

    /// <summary>The code a shell would give: the exit code, or 128 plus the signal's number, or 255 where nothing is known.</summary>
    public int ShellCode => Code ?? (Signal is { } signal ? 128 + (int)signal : 255);

    /// <inheritdoc/>
    public override string ToString() => Code is { } code
        ? string.Create(CultureInfo.InvariantCulture, $"exited with code {code}")
        : Signal is { } signal
            ? $"killed by {(Enum.IsDefined(signal) ? "" : "signal ")}{signal}{(CoreDumped ? " (core dumped)" : "")}"
            : "ended with an unknown status";

    internal static ExitStatus FromWaitStatus(int status, ResourceUsage? usage) => (status & 0x7f) == 0
        ? new(status >> 8 & 0xff, null, false, usage)
        : new(null, (Signal)(status & 0x7f), (status & 0x80) != 0, usage);
}
