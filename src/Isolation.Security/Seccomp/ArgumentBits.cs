using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>Values of an argument: those whose bits under a mask are given.
/// A profile says it in one condition, <c>SCMP_CMP_MASKED_EQ</c>.</summary>
internal readonly record struct ArgumentBits(ulong Mask, ulong Value)
{
    // So many rules for one call are no profile any more.
    internal const int Maximum = 128;

    /// <summary>The values that meet all of an argument's conditions, each in one of the results. Null where these are too many.</summary>
    internal static List<ArgumentBits>? Of(IEnumerable<SeccompCondition> conditions)
    {
        List<ArgumentBits> met = [default];
        foreach (SeccompCondition condition in conditions)
        {
            ImmutableArray<ArgumentBits> values = Of(condition);
            met = [.. met.SelectMany(bits => values.Select(bits.Intersect)).OfType<ArgumentBits>().Take(Maximum + 1)];
            if (met.Count > Maximum)
                return null;
        }

        return met;
    }

    /// <summary>The values that meet a condition, each in one of the results.</summary>
    internal static ImmutableArray<ArgumentBits> Of(SeccompCondition condition)
    {
        (ulong mask, ulong value) = (condition.Mask, condition.Value);
        return condition.Comparison switch
        {
            SeccompComparison.NotEqual => Without(mask, value),
            SeccompComparison.LessThan => Below(mask, value),
            SeccompComparison.LessOrEqual => value == mask ? [default] : Below(mask, value + 1),
            SeccompComparison.GreaterThan => Above(mask, value),
            SeccompComparison.GreaterOrEqual => value == 0 ? [default] : Above(mask, value - 1),
            _ => [new(mask, value)],
        };
    }

    private ArgumentBits? Intersect(ArgumentBits other) =>
        ((Value ^ other.Value) & Mask & other.Mask) != 0 ? null : new(Mask | other.Mask, Value | other.Value);

    // A bit differs, and those above it do not.
    private static ImmutableArray<ArgumentBits> Without(ulong mask, ulong value) =>
        [.. Bits(mask).Select(bit => Prefix(mask, bit, value ^ bit))];

    // Equal down to a bit that is 1 in the limit, and 0 there.
    private static ImmutableArray<ArgumentBits> Below(ulong mask, ulong limit) =>
        [.. Bits(limit).Select(bit => Prefix(mask, bit, limit & ~bit))];

    private static ImmutableArray<ArgumentBits> Above(ulong mask, ulong limit) =>
        [.. Bits(mask & ~limit).Select(bit => Prefix(mask, bit, limit | bit))];

    private static ArgumentBits Prefix(ulong mask, ulong bit, ulong value)
    {
        ulong upTo = mask & ~(bit - 1);
        return new(upTo, value & upTo);
    }

    private static IEnumerable<ulong> Bits(ulong word) =>
        Enumerable.Range(0, 64).Select(i => 1ul << (63 - i)).Where(bit => (word & bit) != 0);
}
