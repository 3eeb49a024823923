using System.Globalization;

namespace Isolation.Security;

/// <summary>How an argument is compared. All comparisons are unsigned, on 64 bits.</summary>
public enum SeccompComparison
{
    /// <summary>Equal: OCI's <c>SCMP_CMP_EQ</c>.</summary>
    Equal,

    /// <summary>Not equal: <c>SCMP_CMP_NE</c>.</summary>
    NotEqual,

    /// <summary>Less: <c>SCMP_CMP_LT</c>.</summary>
    LessThan,

    /// <summary>Less or equal: <c>SCMP_CMP_LE</c>.</summary>
    LessOrEqual,

    /// <summary>Greater: <c>SCMP_CMP_GT</c>.</summary>
    GreaterThan,

    /// <summary>Greater or equal: <c>SCMP_CMP_GE</c>.</summary>
    GreaterOrEqual,

    /// <summary>Equal in the bits of a mask: <c>SCMP_CMP_MASKED_EQ</c>.</summary>
    MaskedEqual,
}

/// <summary>A comparison of one argument of a call. A filter sees the argument's word, never what a pointer points at.</summary>
/// <remarks>The kernel takes only the low 32 bits of an <c>int</c>, but a program may set the high ones: compare such an argument, ioctl(2)'s
/// request for one, by <see cref="LowEqual"/>.</remarks>
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

    /// <summary>Which bits are compared, for <see cref="SeccompComparison.MaskedEqual"/>; all ones for the others.</summary>
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
    public static SeccompCondition MaskedEqual(int argument, ulong mask, ulong value) => new(argument, SeccompComparison.MaskedEqual, value, mask);

    /// <summary>The argument's low 32 bits are this value: for arguments that the kernel takes as an <c>int</c>.</summary>
    public static SeccompCondition LowEqual(int argument, uint value) => MaskedEqual(argument, uint.MaxValue, value);

    /// <summary>Whether an argument's value meets the condition.</summary>
    public bool Holds(ulong argument) => Comparison switch
    {
        SeccompComparison.Equal => argument == Value,
        SeccompComparison.NotEqual => argument != Value,
        SeccompComparison.LessThan => argument < Value,
        SeccompComparison.LessOrEqual => argument <= Value,
        SeccompComparison.GreaterThan => argument > Value,
        SeccompComparison.GreaterOrEqual => argument >= Value,
        _ => (argument & Mask) == Value,
    };

    /// <inheritdoc/>
    public override string ToString() => Comparison == SeccompComparison.MaskedEqual
        ? string.Create(CultureInfo.InvariantCulture, $"arg{Argument} & 0x{Mask:x} == 0x{Value:x}")
        : string.Create(CultureInfo.InvariantCulture, $"arg{Argument} {s_signs[(int)Comparison]} {(Value < 4096 ? Value.ToString(CultureInfo.InvariantCulture) : $"0x{Value:x}")}");
}
