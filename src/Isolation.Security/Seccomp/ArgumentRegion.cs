using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>Arguments of a call: those for which some conditions all hold. There may be several for an argument.</summary>
internal sealed class ArgumentRegion
{
    private readonly ImmutableArray<SeccompCondition> _conditions;

    internal ArgumentRegion(ImmutableArray<SeccompCondition> conditions) => _conditions = conditions;

    /// <summary>Whether the conditions contradict one another.</summary>
    internal bool IsEmpty => _conditions.GroupBy(c => c.Argument).Any(c => ArgumentBits.Of(c) is { Count: 0 });

    /// <summary>Which of a call's rules decides where, in regions that have nothing in common,
    /// and where none does. Null where they are too many.</summary>
    /// <param name="rules">The rules of one call, those that win first.</param>
    internal static (List<(ArgumentRegion Where, SeccompRule Rule)> Decided,
        List<ArgumentRegion> Open)? Partition(IEnumerable<SeccompRule> rules)
    {
        List<ArgumentRegion> open = [new([])];
        var decided = new List<(ArgumentRegion, SeccompRule)>();
        foreach (SeccompRule rule in rules)
        {
            var next = new List<ArgumentRegion>();
            foreach (ArgumentRegion region in open)
            {
                // The region is left where a condition does not hold and those before it do.
                ArgumentRegion held = region;
                foreach (SeccompCondition condition in rule.Conditions)
                {
                    next.Add(held.And(condition.Negated));
                    held = held.And(condition);
                }

                decided.Add((held, rule));
            }

            open = [.. next.Where(r => !r.IsEmpty)];
            decided.RemoveAll(d => d.Item1.IsEmpty);
            if (open.Count + decided.Count > ArgumentBits.Maximum)
                return null;
        }

        return (decided, open);
    }

    /// <summary>The region in lists of conditions, one for an argument at most,
    /// that never hold together. Null where they are too many.</summary>
    /// <param name="isAgreedOn">Whether a condition may stay as it is. Others become masks.</param>
    internal List<ImmutableArray<SeccompCondition>>? Split(Func<SeccompCondition, bool> isAgreedOn)
    {
        List<ImmutableArray<SeccompCondition>> lists = [[]];
        foreach (IGrouping<int, SeccompCondition> argument in _conditions.GroupBy(c => c.Argument))
        {
            SeccompCondition[]? one = argument.Count() == 1 && isAgreedOn(argument.First())
                ? [argument.First()]
                : ArgumentBits.Of(argument)?.Select(b => SeccompCondition.MaskedEqual(argument.Key, b.Mask, b.Value)).ToArray();
            if (one is null || lists.Count * one.Length > ArgumentBits.Maximum)
                return null;
            // A mask of no bits is met by everything.
            lists = [.. lists.SelectMany(list => one.Select(condition => condition.Mask == 0 ? list : list.Add(condition)))];
        }

        return lists;
    }

    private ArgumentRegion And(SeccompCondition condition) => _conditions.Contains(condition) ? this : new(_conditions.Add(condition));
}
