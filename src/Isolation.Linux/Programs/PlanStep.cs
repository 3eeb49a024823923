using System.Collections.Immutable;

namespace Isolation.Linux.Programs;

/// <summary>One thing that a plan does, in the caller's words, with the system calls that do it.</summary>
/// <param name="Action">A verb phrase: <c>mount proc on</c>.</param>
/// <param name="Subject">What it is done to: <c>"/proc"</c>. May be empty.</param>
/// <param name="Calls">The calls, in order; skips stay inside.</param>
internal sealed record PlanStep(string Action, string Subject, ImmutableArray<SyscallStep> Calls)
{
    /// <summary>What to add to an error of this step, given the errno; null adds nothing.</summary>
    internal Func<Errno, string?>? Hint { get; init; }

    /// <summary>What to add to an error of one of the calls.</summary>
    internal string? HintFor(SyscallStep call, Errno errno) => (call.Hint ?? Hint)?.Invoke(errno);

    public override string ToString() => Subject.Length == 0 ? Action : $"{Action} {Subject}";
}
