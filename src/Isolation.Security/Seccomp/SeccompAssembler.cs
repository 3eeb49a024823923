using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>Writes the instructions of a decision diagram. Jumps go forward only, and conditional ones by at most 255: the program is
/// written from its end, so that every target's place is known.</summary>
internal sealed class SeccompAssembler(Func<DecisionNode, int, double> weight)
{
    // The last instruction first; a place counts from the end.
    private readonly List<BpfInstruction> _reversed = [];
    private readonly Dictionary<SeccompAction, int> _returns = [];
    private readonly Dictionary<int, Entry> _entries = [];

    /// <summary>Where a node begins, and where what comes after its load does.</summary>
    private readonly record struct Entry(int Place, int Loaded, int Word);

    internal ImmutableArray<BpfInstruction> Assemble(DecisionNode root)
    {
        if (root.IsLeaf)
            _reversed.Add(new BpfInstruction(BpfInstruction.Return, 0, 0, root.Action.Value));
        else
            Write(root);
        _reversed.Reverse();
        return [.. _reversed];
    }

    private void Write(DecisionNode node)
    {
        if (node.IsLeaf || _entries.ContainsKey(node.Id))
            return;
        // The likeliest last, which is next to the switch.
        foreach (int child in Enumerable.Range(0, node.Children.Length).OrderBy(i => weight(node, i)))
            Write(node.Children[child]);
        bool masked = node.Variable.Mask != uint.MaxValue;
        // Bits against none of them: a test without a mask of the accumulator.
        bool set = masked && node.Starts.Length == 2 && node.Starts[1] == 1;
        int word = masked && !set ? -1 : node.Variable.Offset;
        if (set)
            Emit(BpfInstruction.JumpIfSet, node.Variable.Mask, node.Children[1], node.Children[0], word);
        else
            new DecisionTree(node, i => weight(node, i)).Write((code, value, yes, no) => Emit(code, value, yes, no, word));
        if (masked && !set)
            _reversed.Add(new BpfInstruction(BpfInstruction.And, 0, 0, node.Variable.Mask));
        int loaded = _reversed.Count - 1;
        _reversed.Add(new BpfInstruction(BpfInstruction.LoadWord, 0, 0, (uint)node.Variable.Offset));
        _entries.Add(node.Id, new Entry(_reversed.Count - 1, loaded, node.Variable.Offset));
    }

    /// <summary>Writes a conditional jump and returns its place.</summary>
    private int Emit(ushort code, uint operand, JumpTarget yes, JumpTarget no, int word)
    {
        // A jump that is too far goes through a step of its own, which may push the other one too
        // far: each is looked at with room for both.
        int ifTrue = Reach(yes, word), ifFalse = Reach(no, word);
        ifTrue = Reach(new JumpTarget(ifTrue), word);
        _reversed.Add(new BpfInstruction(code, Distance(ifTrue), Distance(ifFalse), operand));
        return _reversed.Count - 1;
    }

    private byte Distance(int place) => checked((byte)(_reversed.Count - 1 - place));

    /// <summary>A place with the target's effect that a jump from here reaches.</summary>
    private int Reach(JumpTarget target, int word)
    {
        const int Farthest = 255 - 2;
        if (target.Node is { IsLeaf: true } leaf)
        {
            if (_returns.TryGetValue(leaf.Action, out int known) && _reversed.Count - known <= Farthest)
                return known;
            _reversed.Add(new BpfInstruction(BpfInstruction.Return, 0, 0, leaf.Action.Value));
            return _returns[leaf.Action] = _reversed.Count - 1;
        }

        int place = target.Place;
        if (target.Node is { } node)
        {
            Entry entry = _entries[node.Id];
            place = entry.Word == word ? entry.Loaded : entry.Place;
        }

        if (_reversed.Count - place <= Farthest)
            return place;
        _reversed.Add(new BpfInstruction(BpfInstruction.Jump, 0, 0, (uint)(_reversed.Count - 1 - place)));
        return _reversed.Count - 1;
    }
}

/// <summary>Where a jump goes: to a node's code, or to a place already written.</summary>
internal readonly record struct JumpTarget(int Place, DecisionNode? Node = null)
{
    public static implicit operator JumpTarget(DecisionNode node) => new(-1, node);
}
