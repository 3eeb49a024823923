using System.Collections.Immutable;
using System.Text;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Programs;

/// <summary>What a successful result means for the flow of a program.</summary>
internal enum StepRule
{
    /// <summary>Success goes on, past <see cref="SyscallStep.SkipOnSuccess"/> steps.</summary>
    Continue,

    /// <summary>Zero is a failure: end of file where a byte was due.</summary>
    ZeroFails,

    /// <summary>Any other value than zero is a failure: a poll that must find nothing.</summary>
    NonzeroFails,

    /// <summary>Zero goes on with the next step, another value skips: the two sides of a clone.</summary>
    ZeroContinues,

    /// <summary>EAGAIN repeats the call, a bounded number of times in all: openat2(2) gives it where a rename or a mount elsewhere has
    /// disturbed a resolution.</summary>
    Repeats,

    /// <summary>A read of one byte to the second argument. A digit is appended to the number that the fourth, which the call does not take,
    /// points at, and the step is run again; another byte goes on with the next step; the end of the file skips.</summary>
    ReadsNumber,

    /// <summary>Skips where the second argument equals the third, and goes on with the next step elsewhere.
    /// The call must take neither.</summary>
    EqualSkips,
}

/// <summary>One system call of a program, with where its result goes and which refusals are tolerated.</summary>
internal sealed record SyscallStep
{
    internal SyscallStep(Syscall call, params ReadOnlySpan<StepArgument> arguments)
    {
        if (arguments.Length > 6)
            throw new ArgumentException("A system call takes at most six arguments.", nameof(arguments));
        Call = call;
        Arguments = [.. arguments];
    }

    internal Syscall Call { get; }

    internal ImmutableArray<StepArgument> Arguments { get; }

    /// <summary>What to add to an error of this call, where that is not what the whole step is about; null leaves it to the step.</summary>
    internal Func<Errno, string?>? Hint { get; init; }

    /// <summary>Where the result is left; null drops it.</summary>
    internal Slot? Result { get; init; }

    /// <summary>At most three errnos after which the program goes on.</summary>
    internal ImmutableArray<Errno> Tolerated { get; init; } = [];

    /// <summary>Whether the program goes on after any errno.</summary>
    internal bool ToleratesAll { get; init; }

    /// <summary>How many steps a success jumps over.</summary>
    internal sbyte SkipOnSuccess { get; init; }

    /// <summary>How many steps a tolerated errno jumps over.</summary>
    internal sbyte SkipOnTolerated { get; init; }

    internal StepRule Rule { get; init; }

    /// <summary>The call as a manual page names it: <c>mount(2)</c>.</summary>
    internal string CallName => $"{Call}(2)";

    public override string ToString()
    {
        var text = new StringBuilder();
        if (Result is not null)
            text.Append(Result).Append(" = ");
        text.Append(Call).Append('(').AppendJoin(", ", Arguments).Append(')');
        if (SkipOnSuccess != 0)
            text.Append(Rule == StepRule.ZeroContinues ? " nonzero: skip " : " ok: skip ").Append(SkipOnSuccess);
        if (!Tolerated.IsEmpty || ToleratesAll)
        {
            text.Append(" tolerates ").Append(ToleratesAll ? "all" : "").AppendJoin('|', Tolerated.Select(e => e.Name()));
            if (SkipOnTolerated != 0)
                text.Append(": skip ").Append(SkipOnTolerated);
        }

        text.Append(Rule switch
        {
            StepRule.ZeroFails => " zero fails",
            StepRule.NonzeroFails => " nonzero fails",
            StepRule.Repeats => " EAGAIN: again",
            StepRule.ReadsNumber => " appends to the number",
            StepRule.EqualSkips => " where equal",
            _ => "",
        });
        return text.ToString();
    }
}
