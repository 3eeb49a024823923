using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Differential;

/// <summary>Our program, libseccomp's, and the rules themselves must say the same of every call,
/// but for what docs/seccomp.md explains.</summary>
public class LibseccompTests
{
    private const int Seed = 20261125;

    private static readonly ImmutableArray<SeccompArchitecture>[] s_sets =
    [
        [SeccompArchitecture.X64], [SeccompArchitecture.X64, SeccompArchitecture.X86],
        [SeccompArchitecture.X64, SeccompArchitecture.X86, SeccompArchitecture.X32],
        [SeccompArchitecture.Arm64], [SeccompArchitecture.Arm64, SeccompArchitecture.Arm], [SeccompArchitecture.X86],
        [SeccompArchitecture.X32], [SeccompArchitecture.Arm],
    ];

    public static TheoryData<int> Sets => [.. Enumerable.Range(0, s_sets.Length)];

    [Theory]
    [MemberData(nameof(Sets))]
    public void Docker_s_profile_decides_alike(int set)
    {
        Assert.SkipUnless(Libseccomp.IsInstalled, "needs libseccomp2");
        string? path = Host.SharedData("seccomp/moby-default.json");
        Assert.SkipWhen(path is null, "needs moby's profile, which is not here");
        foreach (CapabilitySet capabilities in new[] { CapabilitySet.DockerDefault, CapabilitySet.None, CapabilitySet.All })
        {
            SeccompFilter filter = SeccompProfile.Read(File.ReadAllText(path),
                new SeccompProfileHost { Architecture = s_sets[set][0], Architectures = s_sets[set], Capabilities = capabilities })
                .WithForeignArchitectures(SeccompAction.KillThread).WithNewerSyscalls(null); // libseccomp knows of no newer calls
            int calls = Compare(filter, tree: set % 2 == 1, new int[8]);
            Assert.True(calls >= 5 * 1024, $"only {calls} calls were compared");
        }
    }

    [Fact]
    public void A_thousand_random_rule_sets_decide_alike()
    {
        Assert.SkipUnless(Libseccomp.IsInstalled, "needs libseccomp2");
        var random = new Random(Seed);
        var reasons = new int[8];
        int calls = 0;
        for (int i = 0; i < 1000; i++)
        {
            SeccompFilter filter = Generate(random);
            try
            {
                calls += Compare(filter, tree: false, reasons);
            }
            catch (Exception e) when (e is not Xunit.Sdk.XunitException)
            {
                throw new InvalidOperationException($"Set {i} of seed {Seed}:\n{filter}", e);
            }
        }

        TestContext.Current.TestOutputHelper!.WriteLine(
            $"{calls} calls; explained: {string.Join(", ", reasons.Select((count, reason) => $"{reason}: {count}"))}");
        Assert.True(reasons.Sum() < calls / 50, $"{reasons.Sum()} of {calls} calls are decided otherwise");
    }

    private static int Compare(SeccompFilter filter, bool tree, int[] reasons)
    {
        SeccompProgram theirs = Libseccomp.Compile(filter, tree), ours = filter.Compile();
        var alone = new Dictionary<SeccompRule, SeccompProgram>();
        int calls = 0;
        foreach (SeccompArchitecture architecture in Enum.GetValues<SeccompArchitecture>())
        {
            uint bit = architecture == SeccompArchitecture.X32 ? 0x40000000u : 0;
            ILookup<uint, SeccompRule> byNumber = filter.RulesOf(architecture).ToLookup(r => r.Number, r => r.Rule);
            SeccompAction unnamed = filter.Explain(SeccompCall.Of(architecture, 1023 | bit)).Action;
            for (uint number = 0; number < 1024; number++)
            {
                ImmutableArray<SeccompRule> rules = [.. byNumber[number | bit]];
                foreach (ulong[] arguments in Vectors(rules))
                {
                    SeccompCall call = SeccompCall.Of(architecture, number | bit, arguments);
                    SeccompAction expected = rules.IsEmpty ? unnamed : filter.Explain(call).Action, we = ours.Evaluate(call),
                        they = theirs.Evaluate(call);
                    Assert.True(expected == we, $"{call}: the rules say {expected}, the program {we}.\n{filter}\n{ours}");
                    int reason = we == they ? 0 : Reason(filter, rules, architecture, call, (we, theirs), alone);
                    if (we != they)
                        reasons[reason]++;
                    Assert.True(we == they || reason > 0, $"{call}: we say {we}, libseccomp {they}.\n{string.Join('\n', rules)}\n{filter}");
                    calls++;
                }
            }
        }

        return calls;
    }

    /// <summary>The number of the reason for another answer, as docs/seccomp.md has them; 0 for none.</summary>
    private static int Reason(SeccompFilter filter, ImmutableArray<SeccompRule> rules, SeccompArchitecture architecture, SeccompCall call,
        (SeccompAction We, SeccompProgram Theirs) answer, Dictionary<SeccompRule, SeccompProgram> compiled)
    {
        SeccompAction we = answer.We;
        // 7. Bits that the kernel does not take of an int, which libseccomp compares and we do not:
        // of the same call without them it says the same.
        ulong[] taken = [.. call.Arguments.Select((a, i) => a & SyscallParameters.Mask(call.Name, i))];
        bool isNarrow = rules.Any(r => r.Conditions.Any(c => c.Mask != ulong.MaxValue && c.Comparison != SeccompComparison.MaskedEqual));
        if (isNarrow && answer.Theirs.Evaluate(SeccompCall.Of(architecture, call.Number, taken)) == we)
            return 7;
        // 1. A call that this version of libseccomp does not know on the architecture.
        if (call.Name is { } name && !Libseccomp.Knows(architecture, name))
            return 1;
        // 2. libseccomp compares only the low halves on 32-bit architectures, for which it also takes x32.
        bool isShort = architecture is SeccompArchitecture.X86 or SeccompArchitecture.Arm or SeccompArchitecture.X32;
        if (isShort
            && (rules.Any(r =>
                r.Conditions.Any(c => c.Value > uint.MaxValue || (c.Comparison == SeccompComparison.MaskedEqual && c.Mask > uint.MaxValue)))
                || call.Arguments.Any(a => a > uint.MaxValue)))
            return 2;
        // 3. Several rules with different actions match, or one of them hides a narrower one:
        // we take the strictest, libseccomp the first it comes to.
        if (rules.Select(r => r.Action).Distinct().Count() > 1)
            return 3;
        // 4. socketcall(2) and ipc(2) of i386, for conditional rules.
        if (architecture == SeccompArchitecture.X86 && call.Name is "socketcall" or "ipc")
            return 4;
        // 6. With x32 in the filter, libseccomp 2.5 loses rules for calls that x86-64 has and x32 lacks.
        if (architecture == SeccompArchitecture.X64 && filter.Architectures.Contains(SeccompArchitecture.X32) && call.Name is { } only
            && !Libseccomp.Knows(SeccompArchitecture.X32, only))
            return 6;
        // 5. libseccomp 2.5 builds several conditions wrongly into one tree, of 64-bit comparisons above all:
        // given one condition at a time it agrees.
        SeccompAction alone = filter.DefaultAction;
        foreach (SeccompRule rule in rules)
        {
            bool matches = rule.Conditions.All(condition =>
            {
                SeccompRule single = rule with { Conditions = [condition] };
                if (!compiled.TryGetValue(single, out SeccompProgram? program))
                    compiled.Add(single, program = Libseccomp.Compile(filter.WithRules([single], [])));
                return program.Evaluate(call) != filter.DefaultAction;
            });
            if (matches)
                alone = rule.Action;
        }

        return alone == we ? 5 : 0;
    }

    /// <summary>Argument values at and beside every boundary of the rules, one argument changed at a
    /// time from calls that meet a rule.</summary>
    private static IEnumerable<ulong[]> Vectors(ImmutableArray<SeccompRule> rules)
    {
        yield return new ulong[6];
        foreach (SeccompRule rule in rules.Where(r => !r.Conditions.IsEmpty))
        {
            var met = new ulong[6];
            foreach (SeccompCondition condition in rule.Conditions)
                met[condition.Argument] = Meeting(condition);
            yield return met;
            foreach (SeccompCondition condition in rules.SelectMany(r => r.Conditions))
            {
                foreach (ulong value in Boundaries(condition))
                {
                    ulong[] changed = [.. met];
                    changed[condition.Argument] = value;
                    yield return changed;
                }
            }
        }
    }

    private static ulong Meeting(SeccompCondition condition) => condition.Comparison switch
    {
        SeccompComparison.NotEqual or SeccompComparison.GreaterThan => condition.Value + 1,
        SeccompComparison.LessThan => condition.Value - 1,
        _ => condition.Value,
    };

    private static IEnumerable<ulong> Boundaries(SeccompCondition condition)
    {
        ulong value = condition.Value;
        return [0, value, value + 1, value - 1, value ^ 0x1_0000_0000, value + 0x1_0000_0000, value - 0x1_0000_0000, (uint)value,
            value & ~0xffffffffUL, value | 0xffffffff, value | ~condition.Mask, ~condition.Mask, ulong.MaxValue];
    }

    private static SeccompFilter Generate(Random random)
    {
        ImmutableArray<SeccompArchitecture> architectures = s_sets[random.Next(s_sets.Length)];
        SeccompAction[] actions =
        [
            SeccompAction.Allow, SeccompAction.Deny, SeccompAction.Errno((Errno)random.Next(2, 120)), SeccompAction.KillProcess,
            SeccompAction.KillThread, SeccompAction.Trap(), SeccompAction.Log, SeccompAction.Trace((ushort)random.Next(100))
        ];
        SeccompAction defaultAction = actions[random.Next(actions.Length)];
        // A name that libseccomp has none for compares nothing.
        string[] names = [.. SyscallTable.For(architectures[0]).Names.Order(StringComparer.Ordinal)];
        var rules = new List<SeccompRule>();
        for (int i = random.Next(1, 14); i > 0; i--)
        {
            string name = names[random.Next(names.Length)];
            SeccompAction action = actions[random.Next(actions.Length)];
            // Several rules with one argument, or one rule with several: libseccomp's merging of more may take for ever.
            int[] arguments = [.. Enumerable.Range(0, 6).OrderBy(_ => random.Next()).Take(random.Next(4))];
            for (int j = arguments.Length > 1 ? 1 : random.Next(1, 5); j > 0; j--)
            {
                // One action for a call, mostly: with several libseccomp's answer depends on the order.
                SeccompAction chosen = random.Next(8) == 0 ? actions[random.Next(actions.Length)] : action;
                if (chosen != defaultAction)
                    rules.Add(new SeccompRule(name, chosen, [.. Conditions(random, arguments)]));
            }
        }

        return SeccompFilter.Of(defaultAction).WithArchitectures([.. architectures]).WithForeignArchitectures(SeccompAction.KillThread)
            .WithRules(rules.Distinct(), []);
    }

    private static IEnumerable<SeccompCondition> Conditions(Random random, int[] arguments)
    {
        foreach (int argument in arguments)
        {
            ulong value = random.Next(5) switch
            {
                0 => (ulong)random.Next(5),
                1 => (uint)random.NextInt64(),
                2 => (ulong)random.NextInt64(),
                3 => (ulong)random.Next(5) << 32,
                _ => uint.MaxValue
            };
            yield return (SeccompComparison)random.Next(7) switch
            {
                SeccompComparison.Equal => SeccompCondition.Equal(argument, value),
                SeccompComparison.NotEqual => SeccompCondition.NotEqual(argument, value),
                SeccompComparison.LessThan => SeccompCondition.LessThan(argument, value),
                SeccompComparison.LessOrEqual => SeccompCondition.LessOrEqual(argument, value),
                SeccompComparison.GreaterThan => SeccompCondition.GreaterThan(argument, value),
                SeccompComparison.GreaterOrEqual => SeccompCondition.GreaterOrEqual(argument, value),
                _ => SeccompCondition.MaskedEqual(argument,
                    (ulong)random.NextInt64() & (random.Next(2) == 0 ? uint.MaxValue : ulong.MaxValue), value),
            };
        }
    }
}
