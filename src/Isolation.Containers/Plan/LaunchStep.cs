using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Containers;

/// <summary>A step of a plan, as a person reads it.</summary>
/// <param name="Number">Its number, from 1.</param>
/// <param name="InChild">Whether the new process runs it.</param>
/// <param name="Action">What is done: a verb phrase.</param>
/// <param name="Subject">What it is done to.</param>
/// <param name="Calls">Its system calls, as strace would show them.</param>
public sealed record LaunchStep(int Number, bool InChild, string Action, string Subject, ImmutableArray<string> Calls)
{
    /// <summary>The step on one line: <c>14 child: mount proc on "/proc"</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture,
            $"{Number,3} {(InChild ? "child" : "parent"),-6} {Action}{(Subject.Length == 0 ? "" : " ")}{Subject}");
}
