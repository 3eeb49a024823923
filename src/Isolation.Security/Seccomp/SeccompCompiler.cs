using System.Collections.Concurrent;
using System.Collections.Immutable;

namespace Isolation.Security;

/// <summary>Compiles a filter: rules to a decision diagram over architecture,
/// number and argument words, the diagram to instructions.</summary>
internal sealed class SeccompCompiler
{
    private const int CachedPrograms = 64;

    private static readonly ConcurrentDictionary<string, SeccompProgram> s_programs = new(StringComparer.Ordinal);

    private readonly SeccompFilter _filter;
    private readonly DecisionDiagram _diagram = new();
    private readonly DecisionNode _default;
    private readonly Dictionary<int, double> _weights = [];

    private SeccompCompiler(SeccompFilter filter)
    {
        _filter = filter;
        _default = _diagram.Leaf(filter.DefaultAction);
    }

    /// <summary>Compiles, or finds what was compiled from the same content.</summary>
    internal static SeccompProgram Compile(SeccompFilter filter)
    {
        string content = filter.ToString();
        if (s_programs.TryGetValue(content, out SeccompProgram? known))
            return known;
        SeccompProgram program = CompileAnew(filter);
        if (s_programs.Count >= CachedPrograms)
            s_programs.Clear();
        return s_programs.GetOrAdd(content, program);
    }

    internal static SeccompProgram CompileAnew(SeccompFilter filter) => new SeccompCompiler(filter).Compile();

    private SeccompProgram Compile()
    {
        DecisionNode root = Root();
        ImmutableArray<BpfInstruction> instructions = new SeccompAssembler(Weight).Assemble(root);
        if (instructions.Length > SeccompLimitException.Maximum)
            throw new SeccompLimitException(instructions.Length, Largest());
        return new SeccompProgram(instructions);
    }

    private DecisionNode Root()
    {
        DecisionNode foreign = _diagram.Leaf(_filter.ForeignArchitectures);
        var byAudit = new SortedDictionary<uint, DecisionNode>();
        foreach (IGrouping<uint, SeccompArchitecture> group in _filter.Architectures.GroupBy(a => a.Audit()))
            byAudit.Add(group.Key, Numbers([.. group], foreign));
        var intervals = new List<(uint, DecisionNode)> { (0, foreign) };
        foreach ((uint audit, DecisionNode numbers) in byAudit)
        {
            intervals.Add((audit, numbers));
            intervals.Add((audit + 1, foreign));
        }

        return _diagram.Switch(FilterVariable.Architecture, [.. intervals]);
    }

    /// <summary>The switch over the numbers of the architectures that share the kernel's word: x86-64 and x32.</summary>
    private DecisionNode Numbers(ImmutableArray<SeccompArchitecture> architectures, DecisionNode foreign)
    {
        var decisions = new SortedDictionary<uint, DecisionNode>();
        foreach (SeccompArchitecture architecture in architectures)
            AddDecisions(architecture, decisions);
        var named = new List<(uint, DecisionNode)>(decisions.Count * 2) { (0, _diagram.None) };
        foreach ((uint number, DecisionNode decision) in decisions)
        {
            named.Add((number, decision));
            if (number != uint.MaxValue)
                named.Add((number + 1, _diagram.None));
        }

        return _diagram.Else(_diagram.Switch(FilterVariable.Number, [.. named]), Unnamed(architectures, foreign));
    }

    /// <summary>What is done with numbers that no rule names.</summary>
    private DecisionNode Unnamed(ImmutableArray<SeccompArchitecture> architectures, DecisionNode foreign)
    {
        bool plain = architectures.Any(a => a != SeccompArchitecture.X32);
        var intervals = new List<(uint Start, DecisionNode Child)> { (0, plain ? _default : foreign) };
        foreach (SeccompArchitecture architecture in architectures.Where(a => a != SeccompArchitecture.X32))
            AddNewer(intervals, architecture);
        if (architectures[0].Audit() == SeccompArchitecture.X64.Audit())
        {
            bool x32 = architectures.Contains(SeccompArchitecture.X32);
            intervals.Add((SeccompArchitectures.X32Bit, x32 ? _default : foreign));
            if (x32)
                AddNewer(intervals, SeccompArchitecture.X32);
            intervals.Add((SeccompArchitecture.X32.NumbersEnd(), plain ? _default : foreign));
        }

        return _diagram.Switch(FilterVariable.Number, [.. intervals]);
    }

    private void AddNewer(List<(uint Start, DecisionNode Child)> intervals, SeccompArchitecture architecture)
    {
        if (_filter.NewerSyscalls is not { } newer || _filter.Newest(architecture) is not { } newest)
            return;
        intervals.Add((newest + 1, _diagram.Leaf(newer)));
        intervals.Add((architecture.NumbersEnd(), _default));
    }

    private void AddDecisions(SeccompArchitecture architecture, SortedDictionary<uint, DecisionNode> decisions)
    {
        foreach (IGrouping<uint, SeccompRule> rules in _filter.RulesOf(architecture).GroupBy(r => r.Number, r => r.Rule))
        {
            // The strictest last, so that it comes first.
            decisions.Add(rules.Key, Decide([.. rules.OrderByDescending(r => r.Action.Kind).ThenByDescending(r => r.Action.Data)],
                architecture, Otherwise(architecture, rules.Key)));
        }

        foreach (SeccompRule exemption in _filter.Exemptions)
        {
            // Before whatever else is tested, in an order that can be run and needs no combining any more.
            if (exemption.Number(architecture) is { } exempt)
                decisions[exempt] = _diagram.Continue(Match(exemption, architecture, _diagram.Yes), _diagram.Leaf(exemption.Action),
                    decisions.GetValueOrDefault(exempt, Otherwise(architecture, exempt)));
        }
    }

    /// <summary>What is done with a call that has rules of which none matches.</summary>
    private DecisionNode Otherwise(SeccompArchitecture architecture, uint number) =>
        _filter.NewerSyscalls is { } newer && _filter.IsNewer(architecture, number) ? _diagram.Leaf(newer) : _default;

    /// <summary>One ordered diagram tests each word once; where the rules have so little in common that it grows beyond them,
    /// one rule is tested after another.</summary>
    private DecisionNode Decide(ImmutableArray<SeccompRule> rules, SeccompArchitecture architecture, DecisionNode otherwise)
    {
        int tests = rules.Sum(r => r.Conditions.Length);
        int limit = _diagram.Count + (8 * tests) + 32;
        DecisionNode decision = otherwise;
        foreach (SeccompRule rule in rules)
        {
            decision = _diagram.Else(Match(rule, architecture), decision);
            if (_diagram.Count > limit)
                break;
        }

        if (_diagram.Count <= limit && (tests < 3 || Size(decision) <= 3 * tests))
            return decision;
        DecisionNode chain = otherwise;
        foreach (SeccompRule rule in rules)
        {
            DecisionNode next = chain;
            chain = _diagram.Leaf(rule.Action);
            foreach (SeccompCondition condition in rule.Conditions.Reverse())
                chain = _diagram.Continue(Test(condition, architecture.HasShortArguments()), chain, next);
        }

        return _diagram.Count <= limit && Size(decision) <= Size(chain) ? decision : chain;
    }

    /// <summary>About how many instructions a decision takes.</summary>
    private static int Size(DecisionNode decision)
    {
        var seen = new HashSet<int>();
        int size = 0;
        void Visit(DecisionNode node)
        {
            if (node.IsLeaf || !seen.Add(node.Id))
                return;
            size += node.Starts.Length;
            foreach (DecisionNode child in node.Children)
                Visit(child);
        }

        Visit(decision);
        return size;
    }

    private DecisionNode Match(SeccompRule rule, SeccompArchitecture architecture) => Match(rule, architecture, _diagram.Leaf(rule.Action));

    private DecisionNode Match(SeccompRule rule, SeccompArchitecture architecture, DecisionNode then)
    {
        DecisionNode match = _diagram.Yes;
        foreach (SeccompCondition condition in rule.Conditions)
            match = _diagram.And(Test(condition, architecture.HasShortArguments()), match);
        return then == _diagram.Yes ? match : _diagram.And(match, then);
    }

    private DecisionNode Test(SeccompCondition condition, bool shortArguments)
    {
        (DecisionNode yes, DecisionNode no) = (_diagram.Yes, _diagram.None);
        (uint high, uint low) = ((uint)(condition.Value >> 32), (uint)condition.Value);
        (uint highMask, uint lowMask) = ((uint)(condition.Mask >> 32), (uint)condition.Mask);
        FilterVariable variable = FilterVariable.Low(condition.Argument, lowMask);
        switch (condition.Comparison)
        {
            case SeccompComparison.NotEqual:
                return Halves(condition, shortArguments, yes, _diagram.Point(variable, low, no, yes), yes);
            case SeccompComparison.LessThan:
                return Halves(condition, shortArguments, yes, AtLeast(variable, low, no, yes), no);
            case SeccompComparison.GreaterOrEqual:
                return Halves(condition, shortArguments, no, AtLeast(variable, low, yes, no), yes);
            case SeccompComparison.LessOrEqual:
                return Halves(condition, shortArguments, yes, Above(variable, low, no, yes), no);
            case SeccompComparison.GreaterThan:
                return Halves(condition, shortArguments, no, Above(variable, low, yes, no), yes);
            case SeccompComparison.Equal when condition.Mask == ulong.MaxValue:
                return Halves(condition, shortArguments, no, _diagram.Point(variable, low, yes, no), no);
            default:
                DecisionNode rest = lowMask == 0 ? yes : _diagram.Point(variable, low, yes, no);
                if (shortArguments)
                    return high == 0 ? rest : no;
                return highMask == 0 ? rest : _diagram.Point(FilterVariable.High(condition.Argument, highMask), high, rest, no);
        }
    }

    /// <summary>The answer by the high half: below the condition's, the same, above. Of a 32-bit argument it is 0, and of a narrow
    /// parameter it has no part.</summary>
    private DecisionNode Halves(SeccompCondition condition, bool shortArguments, DecisionNode below, DecisionNode same, DecisionNode above)
    {
        uint high = (uint)(condition.Value >> 32);
        if (shortArguments || condition.Mask <= uint.MaxValue)
            return high == 0 ? same : below;
        FilterVariable variable = FilterVariable.High(condition.Argument);
        List<(uint, DecisionNode)> intervals = [(0, below), (high, same)];
        if (high != uint.MaxValue)
            intervals.Add((high + 1, above));
        return _diagram.Switch(variable, [.. intervals]);
    }

    private DecisionNode AtLeast(FilterVariable variable, uint low, DecisionNode atLeast, DecisionNode below) =>
        _diagram.Switch(variable, [(0, below), (low, atLeast)]);

    private DecisionNode Above(FilterVariable variable, uint low, DecisionNode above, DecisionNode upTo) =>
        low == uint.MaxValue ? upTo : AtLeast(variable, low + 1, above, upTo);

    /// <summary>How often an interval is taken, for the shape of the tree: by the calls in it that may run.</summary>
    private double Weight(DecisionNode node, int interval)
    {
        DecisionNode child = node.Children[interval];
        if (node.Variable == FilterVariable.Architecture)
            return child.IsLeaf ? 0.01 : node.Starts[interval] == SeccompArchitectures.Native.Audit() ? 4 : 1;
        if (node.Variable != FilterVariable.Number)
            return MayRun(child) ? 1 : 0.25;
        if (!MayRun(child))
            return 0.02;
        uint start = node.Starts[interval], end = interval + 1 < node.Starts.Length ? node.Starts[interval + 1] : uint.MaxValue;
        return Math.Min(end - start, 512u);
    }

    private bool MayRun(DecisionNode node)
    {
        if (node.IsLeaf)
            return node.Action.MayRun;
        if (_weights.TryGetValue(node.Id, out double known))
            return known > 0;
        bool may = node.Children.Any(MayRun);
        _weights[node.Id] = may ? 1 : 0;
        return may;
    }

    private string Largest() => string.Join(", ", _filter.Rules.GroupBy(r => r.Syscall)
        .OrderByDescending(g => g.Sum(r => r.Conditions.Length)).Take(3).Select(g => $"{g.Key} ({g.Sum(r => r.Conditions.Length)})"));
}
