namespace Isolation.Security;

/// <summary>What of a ruleset is enforced.</summary>
/// <param name="Abi">The kernel's ABI version.</param>
/// <param name="Enforced">What is restricted.</param>
/// <param name="NotEnforced">What was asked for as best effort and this kernel cannot restrict.</param>
/// <param name="Logging">The audit flags in force.</param>
public sealed record LandlockReport(int Abi, LandlockRights Enforced, LandlockRights NotEnforced, LandlockLogging Logging)
{
    /// <summary>Whether every thread of the process is restricted, or the calling one alone.</summary>
    public bool AllThreads { get; init; }

    /// <inheritdoc/>
    public override string ToString() =>
        $"Landlock ABI {Abi}, {(AllThreads ? "all threads" : "one thread and what it starts")}: "
            + $"enforced {Enforced}{(NotEnforced.IsEmpty ? "" : $"; not enforced, for want of a newer kernel: {NotEnforced}")}";
}
