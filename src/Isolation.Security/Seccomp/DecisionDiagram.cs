using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>A word of <c>struct seccomp_data</c> under a mask.</summary>
/// <param name="Offset">Where the word lies.</param>
/// <param name="Mask">Its bits that count.</param>
internal readonly record struct FilterVariable(int Offset, uint Mask) : IComparable<FilterVariable>
{
    internal static FilterVariable Architecture => new(4, uint.MaxValue);

    internal static FilterVariable Number => new(0, uint.MaxValue);

    // Both architectures are little-endian: the high half lies behind the low one, and is tested first, since it is mostly 0.
    internal static FilterVariable High(int argument, uint mask = uint.MaxValue) => new(20 + (argument * 8), mask);

    internal static FilterVariable Low(int argument, uint mask = uint.MaxValue) => new(16 + (argument * 8), mask);

    public int CompareTo(FilterVariable other)
    {
        int order = Rank.CompareTo(other.Rank);
        return order != 0 ? order : other.Mask.CompareTo(Mask);
    }

    private int Rank => Offset switch { 4 => 0, 0 => 1, _ => ((Offset - 16) / 8 * 2) + (Offset % 8 == 0 ? 3 : 2) };
}

/// <summary>A node of a <see cref="DecisionDiagram"/>: an answer, or a switch over the intervals of a variable.</summary>
internal sealed class DecisionNode
{
    internal required int Id { get; init; }

    /// <summary>The answer of a leaf.</summary>
    internal SeccompAction Action { get; init; }

    internal FilterVariable Variable { get; init; }

    /// <summary>Where each interval begins; the first at 0. Empty for a leaf.</summary>
    internal ImmutableArray<uint> Starts { get; init; } = [];

    internal ImmutableArray<DecisionNode> Children { get; init; } = [];

    internal bool IsLeaf => Starts.IsEmpty;
}

/// <summary>Decision diagrams over the words of a call, each node once: equal decisions are the same node,
/// tests without effect are left out.</summary>
internal sealed class DecisionDiagram
{
    private readonly Dictionary<NodeKey, DecisionNode> _switches = [];
    private readonly Dictionary<SeccompAction, DecisionNode> _leaves = [];
    private readonly Dictionary<(int, int, bool), DecisionNode> _combined = [];
    private int _next;

    internal DecisionDiagram()
    {
        None = new DecisionNode { Id = _next++ };
        Yes = new DecisionNode { Id = _next++ };
    }

    /// <summary>How many nodes were made.</summary>
    internal int Count => _next;

    /// <summary>No rule matches.</summary>
    internal DecisionNode None { get; }

    /// <summary>The conditions hold.</summary>
    internal DecisionNode Yes { get; }

    internal DecisionNode Leaf(SeccompAction action)
    {
        if (!_leaves.TryGetValue(action, out DecisionNode? leaf))
            _leaves.Add(action, leaf = new DecisionNode { Id = _next++, Action = action });
        return leaf;
    }

    /// <summary>A switch; neighbours that lead to the same node become one interval, and a switch with one interval is its child.</summary>
    internal DecisionNode Switch(FilterVariable variable, ReadOnlySpan<(uint Start, DecisionNode Child)> intervals)
    {
        var starts = new List<uint>(intervals.Length);
        var children = new List<DecisionNode>(intervals.Length);
        foreach ((uint start, DecisionNode child) in intervals)
        {
            if (children.Count > 0 && starts[^1] == start)
            {
                starts.RemoveAt(starts.Count - 1);
                children.RemoveAt(children.Count - 1);
            }

            if (children.Count > 0 && children[^1] == child)
                continue;
            starts.Add(start);
            children.Add(child);
        }

        if (children.Count == 1)
            return children[0];
        var key = new NodeKey(variable, [.. starts], [.. children]);
        if (!_switches.TryGetValue(key, out DecisionNode? node))
            _switches.Add(key, node = new DecisionNode { Id = _next++, Variable = variable, Starts = key.Starts, Children = key.Children });
        return node;
    }

    /// <summary>One value against all others.</summary>
    internal DecisionNode Point(FilterVariable variable, uint value, DecisionNode at, DecisionNode elsewhere) => value == uint.MaxValue
        ? Switch(variable, [(0, elsewhere), (value, at)])
        : Switch(variable, [(0, elsewhere), (value, at), (value + 1, elsewhere)]);

    /// <summary>Both must hold.</summary>
    internal DecisionNode And(DecisionNode a, DecisionNode b) => Combine(a, b, and: true);

    /// <summary>The first, and where it does not match the second.</summary>
    internal DecisionNode Else(DecisionNode a, DecisionNode b) => Combine(a, b, and: false);

    private DecisionNode Combine(DecisionNode a, DecisionNode b, bool and)
    {
        if (a.IsLeaf)
            return and == (a == None) ? a : b;
        if (and && b == None)
            return b;
        if (_combined.TryGetValue((a.Id, b.Id, and), out DecisionNode? known))
            return known;
        DecisionNode result;
        if (b.IsLeaf || a.Variable.CompareTo(b.Variable) < 0)
        {
            result = Map(a, child => Combine(child, b, and));
        }
        else if (a.Variable.CompareTo(b.Variable) > 0)
        {
            result = Map(b, child => Combine(a, child, and));
        }
        else
        {
            var merged = new List<(uint, DecisionNode)>(a.Starts.Length + b.Starts.Length);
            for (int i = 0, j = 0; i < a.Starts.Length || j < b.Starts.Length;)
            {
                uint start = i >= a.Starts.Length ? b.Starts[j] : j >= b.Starts.Length ? a.Starts[i] : Math.Min(a.Starts[i], b.Starts[j]);
                if (i < a.Starts.Length && a.Starts[i] == start)
                    i++;
                if (j < b.Starts.Length && b.Starts[j] == start)
                    j++;
                merged.Add((start, Combine(a.Children[i - 1], b.Children[j - 1], and)));
            }

            result = Switch(a.Variable, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(merged));
        }

        _combined.Add((a.Id, b.Id, and), result);
        return result;
    }

    /// <summary>A test with other ends. Without regard to the order of variables:
    /// the result can be run, and not combined with others.</summary>
    internal DecisionNode Continue(DecisionNode test, DecisionNode yes, DecisionNode none) =>
        test == Yes ? yes : test == None ? none : Map(test, child => Continue(child, yes, none));

    private DecisionNode Map(DecisionNode node, Func<DecisionNode, DecisionNode> change)
    {
        var intervals = new (uint, DecisionNode)[node.Starts.Length];
        for (int i = 0; i < intervals.Length; i++)
            intervals[i] = (node.Starts[i], change(node.Children[i]));
        return Switch(node.Variable, intervals);
    }

    private readonly struct NodeKey(FilterVariable variable, ImmutableArray<uint> starts,
        ImmutableArray<DecisionNode> children) : IEquatable<NodeKey>
    {
        internal ImmutableArray<uint> Starts { get; } = starts;

        internal ImmutableArray<DecisionNode> Children { get; } = children;

        private FilterVariable Variable { get; } = variable;

        public bool Equals(NodeKey other) =>
            Variable == other.Variable && Starts.AsSpan().SequenceEqual(other.Starts.AsSpan())
                && Children.AsSpan().SequenceEqual(other.Children.AsSpan());

        public override bool Equals(object? obj) => obj is NodeKey other && Equals(other);

        public override int GetHashCode()
        {
            var hash = default(HashCode);
            hash.Add(Variable);
            for (int i = 0; i < Starts.Length; i++)
            {
                hash.Add(Starts[i]);
                hash.Add(Children[i].Id);
            }

            return hash.ToHashCode();
        }
    }
}
