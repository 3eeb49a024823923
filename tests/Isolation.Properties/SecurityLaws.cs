using System.Collections.Immutable;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Properties;

/// <summary>Laws of filters, rulesets and what is read from outside.</summary>
public class SecurityLaws
{
    private static readonly string[] s_calls = ["read", "ioctl", "socket", "clone", "personality", "socketcall", "openat", "mmap"];
    private static readonly SeccompAction[] s_actions = [SeccompAction.Allow, SeccompAction.Deny, SeccompAction.Errno(Errno.ENOSYS),
        SeccompAction.KillProcess, SeccompAction.UserNotify, SeccompAction.Log, SeccompAction.Trap(3)];

    private static void Hold(Property property) => Check.One(Config.QuickThrowOnFailure.WithMaxTest(300), property);

    private static Arbitrary<SeccompCondition> Condition => Arb.From(
        from argument in Gen.Choose(0, 5)
        from kind in Gen.Choose(0, 6)
        from value in Gen.OneOf(Gen.Choose(0, 5).Select(v => (ulong)v), ArbMap.Default.GeneratorFor<ulong>(), Gen.Constant(0xffffffffUL),
            Gen.Constant(1ul << 32), Gen.Constant(ulong.MaxValue))
        from mask in Gen.OneOf(ArbMap.Default.GeneratorFor<ulong>(), Gen.Constant(0xffffffffUL))
        select (SeccompComparison)kind switch
        {
            SeccompComparison.Equal => SeccompCondition.Equal(argument, value),
            SeccompComparison.NotEqual => SeccompCondition.NotEqual(argument, value),
            SeccompComparison.LessThan => SeccompCondition.LessThan(argument, value),
            SeccompComparison.LessOrEqual => SeccompCondition.LessOrEqual(argument, value),
            SeccompComparison.GreaterThan => SeccompCondition.GreaterThan(argument, value),
            SeccompComparison.GreaterOrEqual => SeccompCondition.GreaterOrEqual(argument, value),
            _ => SeccompCondition.MaskedEqual(argument, mask, value),
        });

    private static Arbitrary<SeccompFilter> Filter => Arb.From(
        from defaultAction in Gen.Elements(s_actions)
        from architectures in Gen.NonEmptyListOf(Gen.Elements(Enum.GetValues<SeccompArchitecture>()))
        from newer in Gen.Elements(true, false)
        from rules in Gen.ListOf(
            from call in Gen.Elements(s_calls)
            from action in Gen.Elements(s_actions)
            from conditions in Gen.ListOf(Condition.Generator, 2)
            from count in Gen.Choose(0, 2)
            select new SeccompRule(call, action, [.. conditions.Take(count)]))
        select SeccompFilter.Of(defaultAction).WithArchitectures([.. architectures.Distinct()])
            .WithNewerSyscalls(newer ? SeccompAction.Errno(Errno.ENOSYS) : null).WithRules(rules, []));

    private static IEnumerable<SeccompCall> Boundaries(SeccompFilter filter)
    {
        foreach (SeccompArchitecture architecture in Enum.GetValues<SeccompArchitecture>())
        {
            foreach (string name in s_calls)
            {
                if (SyscallTable.For(architecture).Number(name) is not { } number)
                    continue;
                yield return SeccompCall.Of(architecture, number);
                foreach (SeccompCondition condition in filter.Rules.Where(r => r.Syscall == name).SelectMany(r => r.Conditions))
                {
                    foreach (ulong value in new ulong[] { condition.Value, condition.Value + 1, condition.Value - 1,
                        condition.Value ^ (1ul << 32), condition.Value | ~condition.Mask, ulong.MaxValue })
                    {
                        var arguments = new ulong[6];
                        Array.Fill(arguments, condition.Value);
                        arguments[condition.Argument] = value;
                        yield return SeccompCall.Of(architecture, number, arguments);
                    }
                }
            }
        }
    }

    [Fact]
    public void A_program_does_what_its_rules_say() => Hold(Prop.ForAll(Filter, filter =>
    {
        SeccompProgram program = filter.Compile();
        SeccompInterpreter.Check(program.Instructions.AsSpan());
        return Boundaries(filter).All(call => filter.Explain(call).Action == program.Evaluate(call));
    }));

    [Fact]
    public void The_order_of_rules_has_no_meaning() => Hold(Prop.ForAll(Filter, filter =>
    {
        SeccompFilter reversed = filter.WithRules(filter.Rules.Reverse(), []);
        return filter.ToString() == reversed.ToString()
            && Boundaries(filter).All(call => filter.Explain(call).Action == reversed.Explain(call).Action);
    }));

    [Fact]
    public void A_filter_whose_denials_are_told_lets_nothing_more_run() => Hold(Prop.ForAll(Filter, filter =>
    {
        SeccompFilter notified = filter.WithDenialsNotified();
        return Boundaries(filter).All(call => filter.Explain(call).Action is var plain && notified.Explain(call).Action is var told
            && (plain.Kind is SeccompActionKind.Allow or SeccompActionKind.Log
                ? told == plain
                : told.Kind is not (SeccompActionKind.Allow or SeccompActionKind.Log)));
    }));

    [Fact]
    public void A_program_reads_back_from_its_bytes() =>
        Hold(Prop.ForAll(Filter, filter => SeccompProgram.FromBytes(filter.Compile().ToBytes()).Equals(filter.Compile())));

    [Fact]
    public void Any_bytes_are_a_program_or_a_format_exception() => Hold(Prop.ForAll<byte[]>(bytes =>
    {
        try
        {
            SeccompProgram program = SeccompProgram.FromBytes(bytes);
            program.Evaluate(SeccompCall.Of(SeccompArchitecture.X64, 1));
            return program.ToString().Length > 0;
        }
        catch (FormatException)
        {
            return true;
        }
    }));

    [Fact]
    public void Any_text_is_a_profile_or_a_format_exception()
    {
        string[] words = ["{", "}", "[", "]", ":", ",", "\"defaultAction\"", "\"SCMP_ACT_ERRNO\"", "\"syscalls\"", "\"names\"", "\"read\"",
            "\"action\"", "\"args\"", "\"index\"", "5", "-1", "null", "\"includes\"", "\"caps\"", "1e9"];
        Hold(Prop.ForAll(Arb.From(Gen.ListOf(Gen.Elements(words))), text =>
        {
            try
            {
                SeccompProfile.Read(string.Join(' ', text));
                SeccompProfile.Read($"{{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"syscalls\": [{string.Join(' ', text)}]}}");
                return true;
            }
            catch (FormatException)
            {
                return true;
            }
        }));
    }

    [Fact]
    public void A_downgrade_never_restricts_what_was_not_asked_for_and_loses_nothing_in_silence() => Hold(Prop.ForAll<ulong, ulong,
        int>((required, wanted, abi) =>
    {
        var all = LandlockRights.All;
        LandlockRights must = new((LandlockFileAccess)required & all.Files, (LandlockNetAccess)(required >> 20) & all.Net,
            (LandlockScopes)(required >> 30) & all.Scopes);
        LandlockRights may = new((LandlockFileAccess)wanted & all.Files, (LandlockNetAccess)(wanted >> 20) & all.Net,
            (LandlockScopes)(wanted >> 30) & all.Scopes);
        int version = Math.Abs(abi % 13);
        LandlockRuleset ruleset = LandlockRuleset.Restrict(must, may);
        try
        {
            LandlockReport report = ruleset.Plan(version);
            return report.Enforced.Union(report.NotEnforced) == must.Union(may) && report.Enforced.Intersect(report.NotEnforced).IsEmpty
                && must.Except(report.Enforced).IsEmpty
                && report.Enforced.Except(LandlockRights.OfAbi(version)).IsEmpty;
        }
        catch (KernelFeatureException)
        {
            return !must.Except(LandlockRights.OfAbi(version)).IsEmpty;
        }
    }));

    [Fact]
    public void File_capabilities_read_back_and_any_bytes_are_some_or_none() =>
        Hold(Prop.ForAll<ulong, ulong, bool>((permitted, inheritable, effective) =>
        {
            var capabilities = new FileCapabilities(new(permitted), new(inheritable), effective, effective ? (uint)permitted : null);
            return FileCapabilities.Decode(capabilities.Encode()) == capabilities
                && FileCapabilities.Decode(BitConverter.GetBytes(permitted)) is null;
        }));

    [Fact]
    public void Lists_of_processors_read_back() => Hold(Prop.ForAll<NonEmptyArray<PositiveInt>>(processors =>
    {
        CpuAffinity affinity = CpuAffinity.Of([.. processors.Get.Select(p => p.Get % 8192)]);
        return CpuAffinity.Parse(affinity.ToString()).Equals(affinity);
    }));

    [Fact]
    public void Any_text_is_a_list_of_processors_or_a_context_or_a_format_exception() => Hold(Prop.ForAll<string>(text =>
    {
        foreach (Action<string> parse in new Action<string>[] { t => CpuAffinity.Parse(t), t => SELinuxContext.Parse(t),
            t => CapabilitySet.Parse(t) })
        {
            try
            {
                parse(text ?? "");
            }
            catch (FormatException)
            {
            }
        }

        return true;
    }));
}
