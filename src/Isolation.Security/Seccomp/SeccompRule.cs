using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Security;

/// <summary>One call and what is done with it, if all conditions hold.</summary>
/// <param name="Syscall">The call's name, or its number in decimal: the same number on every architecture of the filter.</param>
/// <param name="Action">What is done.</param>
/// <param name="Conditions">All of them must hold; none means always.</param>
public sealed record SeccompRule(string Syscall, SeccompAction Action, ImmutableArray<SeccompCondition> Conditions)
{
    /// <summary>The order in which rules win.</summary>
    internal static IComparer<SeccompRule> StrictestFirst { get; } = Comparer<SeccompRule>.Create((a, b) => a.Action.CompareTo(b.Action));

    /// <summary>The call's number on an architecture; null where it has no such call.</summary>
    internal uint? Number(SeccompArchitecture architecture) =>
        uint.TryParse(Syscall, NumberStyles.None, CultureInfo.InvariantCulture, out uint number)
            ? architecture == SeccompArchitecture.X32 ? number | SeccompArchitectures.X32Bit : number
            : SyscallTable.For(architecture).Number(Syscall);

    /// <summary>The rule where its call is known by its number only:
    /// that number's parameters on an architecture decide which bits count.</summary>
    internal SeccompRule On(SeccompArchitecture architecture, uint number) => Conditions.IsEmpty || !char.IsAsciiDigit(Syscall[0])
        ? this
        : this with { Conditions = [.. Conditions.Select(c => c.On(SyscallTable.For(architecture).Name(number)) ?? c)] };

    internal bool Matches(ReadOnlySpan<ulong> arguments)
    {
        foreach (SeccompCondition condition in Conditions)
        {
            if (!condition.Holds(arguments[condition.Argument]))
                return false;
        }

        return true;
    }

    /// <inheritdoc/>
    public bool Equals(SeccompRule? other) =>
        other is not null && Syscall == other.Syscall && Action == other.Action
            && Conditions.AsSpan().SequenceEqual(other.Conditions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Syscall, Action, Conditions.Length);

    /// <inheritdoc/>
    public override string ToString() => Conditions.IsEmpty
        ? $"{Syscall}: {Action}"
        : $"{Syscall} if {string.Join(" and ", Conditions)}: {Action}";
}
