using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>The order of comparisons that finds a value's interval: short for the intervals that are often taken.</summary>
internal sealed class DecisionTree
{
    // Up to here the best tree is searched for; longer lists are halved by weight until they are as short.
    private const int Searched = 24;

    private readonly ImmutableArray<uint> _starts;
    private readonly ImmutableArray<DecisionNode> _children;
    private readonly double[] _weights, _sums;
    private readonly double _perInstruction;

    internal DecisionTree(DecisionNode node, Func<int, double> weight)
        : this(node.Starts, node.Children, [.. Enumerable.Range(0, node.Starts.Length).Select(weight)])
    {
    }

    private DecisionTree(ImmutableArray<uint> starts, ImmutableArray<DecisionNode> children, double[] weights)
    {
        (_starts, _children, _weights) = (starts, children, weights);
        _sums = new double[weights.Length + 1];
        for (int i = 0; i < weights.Length; i++)
            _sums[i + 1] = _sums[i] + weights[i];
        // What an instruction more may cost in steps taken: the filter's length is paid once, when it is loaded.
        _perInstruction = _sums[^1] * 0.02;
    }

    internal delegate int Emit(ushort code, uint value, JumpTarget yes, JumpTarget no);

    /// <summary>Writes the tree, the leaves first; the last instruction written is the first to run.</summary>
    internal void Write(Emit emit) => WriteAll(emit);

    private JumpTarget WriteAll(Emit emit)
    {
        // One number that is taken more often than all others together comes first: the native architecture among several.
        int often = Array.FindIndex(_weights, w => w > _sums[^1] / 2);
        if (_starts.Length <= 3 || often < 0 || !IsSandwiched(often, 0, _starts.Length - 1))
            return Write(emit, 0, _starts.Length - 1);
        double[] weights = [.. _weights[..(often - 1)], _weights[often - 1] + _weights[often + 1], .. _weights[(often + 2)..]];
        JumpTarget rest = new DecisionTree(_starts.RemoveRange(often, 2), _children.RemoveRange(often, 2), weights).WriteAll(emit);
        return new JumpTarget(emit(BpfInstruction.JumpIfEqual, _starts[often], _children[often], rest));
    }

    private JumpTarget Write(Emit emit, int first, int last)
    {
        if (first == last)
            return _children[first];
        if (last - first >= Searched)
        {
            int middle = Middle(first, last);
            return Split(emit, first, middle, last);
        }

        return new Search(this, first, last).Write(emit, first, last);
    }

    private JumpTarget Split(Emit emit, int first, int middle, int last)
    {
        JumpTarget above = Write(emit, middle, last), below = Write(emit, first, middle - 1);
        return new JumpTarget(emit(BpfInstruction.JumpIfGreaterOrEqual, _starts[middle], above, below));
    }

    /// <summary>Where the two sides weigh the most alike.</summary>
    private int Middle(int first, int last)
    {
        int best = first + 1;
        double bestDifference = double.MaxValue;
        for (int middle = first + 1; middle <= last; middle++)
        {
            double difference = Math.Abs(_sums[middle] - _sums[first] - (_sums[last + 1] - _sums[middle]));
            // A cut beside a single number that has the same on both sides would cost one comparison more.
            if (IsSandwiched(middle, first, last) || IsSandwiched(middle - 1, first, last))
                difference += _perInstruction;
            if (difference < bestDifference)
                (best, bestDifference) = (middle, difference);
        }

        return best;
    }

    /// <summary>Whether an interval is one number between two with the same answer: one comparison for equality does.</summary>
    private bool IsSandwiched(int middle, int first, int last) => middle > first && middle < last
        && _starts[middle + 1] - _starts[middle] == 1 && _children[middle - 1] == _children[middle + 1];

    /// <summary>The best tree over a short list, by dynamic programming.</summary>
    private sealed class Search
    {
        private readonly DecisionTree _tree;
        private readonly int _first, _count;
        private readonly double[] _costs;
        private readonly sbyte[] _choices;

        internal Search(DecisionTree tree, int first, int last)
        {
            (_tree, _first, _count) = (tree, first, last - first + 1);
            _costs = new double[_count * _count];
            _choices = new sbyte[_count * _count];
            for (int length = 2; length <= _count; length++)
            {
                for (int start = 0; start + length <= _count; start++)
                    Choose(start, start + length - 1);
            }
        }

        internal JumpTarget Write(Emit emit, int first, int last)
        {
            if (first == last)
                return _tree._children[first];
            int choice = _choices[((first - _first) * _count) + last - _first];
            if (choice < 0)
                return new JumpTarget(emit(BpfInstruction.JumpIfEqual, _tree._starts[first + 1], _tree._children[first + 1],
                    _tree._children[first]));
            int middle = _first + choice;
            JumpTarget above = Write(emit, middle, last), below = Write(emit, first, middle - 1);
            return new JumpTarget(emit(BpfInstruction.JumpIfGreaterOrEqual, _tree._starts[middle], above, below));
        }

        private void Choose(int start, int end)
        {
            int at = (start * _count) + end;
            double visit = _tree._sums[_first + end + 1] - _tree._sums[_first + start] + _tree._perInstruction;
            if (end - start == 2 && _tree.IsSandwiched(_first + start + 1, _first + start, _first + end))
            {
                (_costs[at], _choices[at]) = (visit, -1);
                return;
            }

            double best = double.MaxValue;
            for (int middle = start + 1; middle <= end; middle++)
            {
                double cost = _costs[(start * _count) + middle - 1] + _costs[(middle * _count) + end];
                if (cost < best)
                    (best, _choices[at]) = (cost, (sbyte)middle);
            }

            _costs[at] = best + visit;
        }
    }
}
