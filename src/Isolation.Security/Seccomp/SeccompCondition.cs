using System.Globalization;
using System.Numerics;

namespace Isolation.Security;

/// <summary>A comparison of one argument of a call. A filter sees the argument's word, never what a pointer points at.</summary>
/// <remarks>The kernel takes only the low 32 bits of an <c>int</c>, and 16 of a <c>mode_t</c>, while a program may set the others. A rule
/// therefore compares as many bits as its call takes: <c>socket</c> with <c>Equal(0, 40)</c> also matches 2^32 + 40. To compare other bits,
/// all 64 for one, name them: <see cref="MaskedEqual"/> is taken as it is.</remarks>
/// <example><code>
/// // socket(2) of AF_UNIX, whatever the type and protocol
/// SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny).Add(SeccompAction.Allow, "socket", SeccompCondition.LowEqual(0, 1));
/// </code></example>
public sealed record SeccompCondition
{
    private static readonly string[] s_signs = ["==", "!=", "<", "<=", ">", ">=", "=="];

    private SeccompCondition(int argument, SeccompComparison comparison, ulong value, ulong mask = ulong.MaxValue)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(argument);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(argument, 5);
        Argument = argument;
        Comparison = comparison;
        Value = value & mask;
        Mask = mask;
    }

    /// <summary>The argument's position, 0 to 5.</summary>
    public int Argument { get; }

    /// <summary>How it is compared.</summary>
    public SeccompComparison Comparison { get; }

    /// <summary>What it is compared with.</summary>
    public ulong Value { get; }

    /// <summary>Which bits are compared: those of <see cref="MaskedEqual"/>, or those that the call of the rule takes.</summary>
    public ulong Mask { get; }

    /// <summary>The argument is this value.</summary>
    public static SeccompCondition Equal(int argument, ulong value) => new(argument, SeccompComparison.Equal, value);

    /// <summary>The argument is another value.</summary>
    public static SeccompCondition NotEqual(int argument, ulong value) => new(argument, SeccompComparison.NotEqual, value);

    /// <summary>The argument is less.</summary>
    public static SeccompCondition LessThan(int argument, ulong value) => new(argument, SeccompComparison.LessThan, value);

    /// <summary>The argument is at most the value.</summary>
    public static SeccompCondition LessOrEqual(int argument, ulong value) => new(argument, SeccompComparison.LessOrEqual, value);

    /// <summary>The argument is greater.</summary>
    public static SeccompCondition GreaterThan(int argument, ulong value) => new(argument, SeccompComparison.GreaterThan, value);

    /// <summary>The argument is at least the value.</summary>
    public static SeccompCondition GreaterOrEqual(int argument, ulong value) => new(argument, SeccompComparison.GreaterOrEqual, value);

    /// <summary>The argument's bits under the mask are those of the value.</summary>
    public static SeccompCondition MaskedEqual(int argument, ulong mask, ulong value) =>
        new(argument, SeccompComparison.MaskedEqual, value, mask);

    /// <summary>The argument's low 32 bits are this value, whatever the call.</summary>
    public static SeccompCondition LowEqual(int argument, uint value) => MaskedEqual(argument, uint.MaxValue, value);

    /// <summary>Whether an argument's value meets the condition.</summary>
    public bool Holds(ulong argument) => Comparison switch
    {
        SeccompComparison.NotEqual => (argument & Mask) != Value,
        SeccompComparison.LessThan => (argument & Mask) < Value,
        SeccompComparison.LessOrEqual => (argument & Mask) <= Value,
        SeccompComparison.GreaterThan => (argument & Mask) > Value,
        SeccompComparison.GreaterOrEqual => (argument & Mask) >= Value,
        _ => (argument & Mask) == Value,
    };

    /// <summary>The condition that holds where this one does not.</summary>
    internal SeccompCondition Negated => new(Argument, Comparison switch
    {
        SeccompComparison.NotEqual => SeccompComparison.MaskedEqual,
        SeccompComparison.LessThan => SeccompComparison.GreaterOrEqual,
        SeccompComparison.LessOrEqual => SeccompComparison.GreaterThan,
        SeccompComparison.GreaterThan => SeccompComparison.LessOrEqual,
        SeccompComparison.GreaterOrEqual => SeccompComparison.LessThan,
        _ => SeccompComparison.NotEqual,
    }, Value, Mask);

    /// <summary>The condition on the bits that a call takes of the argument; null where the value has others, and is no negative number
    /// that was widened.</summary>
    internal SeccompCondition? On(string? syscall)
    {
        ulong taken = SyscallParameters.Mask(syscall, Argument);
        if (taken == ulong.MaxValue || Mask != ulong.MaxValue || Comparison == SeccompComparison.MaskedEqual)
            return this;
        bool widened = taken == uint.MaxValue && (int)Value < 0 && Value >> 32 == uint.MaxValue;
        if ((Value & ~taken) != 0 && !widened)
            return null;
        return Comparison == SeccompComparison.Equal ? MaskedEqual(Argument, taken, Value) : new(Argument, Comparison, Value, taken);
    }

    /// <summary>Why a call cannot have the condition.</summary>
    internal string Excess(string syscall) => string.Create(CultureInfo.InvariantCulture,
        $"argument {Argument} of {syscall} has {BitOperations.PopCount(SyscallParameters.Mask(syscall, Argument))} bits, which "
            + $"0x{Value:x} exceeds; a mask compares others");

    /// <inheritdoc/>
    public override string ToString()
    {
        string bits = Mask == ulong.MaxValue && Comparison != SeccompComparison.MaskedEqual
            ? ""
            : string.Create(CultureInfo.InvariantCulture, $" & 0x{Mask:x}");
        string value = Value < 4096 && bits.Length == 0
            ? Value.ToString(CultureInfo.InvariantCulture)
            : string.Create(CultureInfo.InvariantCulture, $"0x{Value:x}");
        return string.Create(CultureInfo.InvariantCulture, $"arg{Argument}{bits} {s_signs[(int)Comparison]} {value}");
    }
}
