using System.Globalization;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>A call that a container's filter refused, or for which it killed.</summary>
/// <param name="Verdict">The call as it was made first, with what was done and the rule that decided.</param>
/// <param name="Count">How often a call of that name was refused.</param>
/// <param name="Program">The name of the process that made it first, as /proc/PID/comm has it; null where it was gone. The process chose
/// it: it may hold control characters, which <see cref="ToString"/> escapes.</param>
/// <param name="IsFirstProcess">Whether the container's first process made it.</param>
public sealed record SeccompDenial(SeccompVerdict Verdict, long Count, string? Program, bool IsFirstProcess)
{
    /// <inheritdoc/>
    public override string ToString()
    {
        string program = Program is null ? "a process" : $"\"{PrintableText.Of(Program)}\"";
        return string.Create(CultureInfo.InvariantCulture,
            $"{Verdict.Call} of {program}: {Verdict.Action}{(Count > 1 ? $", {Count} times" : "")}");
    }
}
