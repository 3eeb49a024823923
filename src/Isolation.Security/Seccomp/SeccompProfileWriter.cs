using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;

namespace Isolation.Security;

/// <summary>Writes a filter as a profile that all its readers take alike: this library, runc, and libseccomp below that.</summary>
/// <remarks>They differ in more than a filter can tell them: runc drops rules whose action is the default action and makes alternatives of
/// conditions on one argument; libseccomp takes the first of several rules that match, and a rule without conditions in the place of all
/// others of a call; this library compares as many bits as a call takes. What all agree on are rules of which at most one matches, with one
/// condition for an argument at most, and masks. What libseccomp (2.5) would compile to a program that contradicts it is refused.</remarks>
internal static class SeccompProfileWriter
{
    // The newest calls of libseccomp 2.5.0 (Linux 5.8), 2.5.2 (5.14), 2.5.4 (5.17), 2.5.5 (6.7), and 2.5.6 and 2.6.0 (6.13).
    private static readonly string[] s_newestOfLibseccomp =
        ["faccessat2", "memfd_secret", "set_mempolicy_home_node", "futex_requeue", "removexattrat"];

    internal static string Write(SeccompFilter filter)
    {
        RequireWords(filter);
        RequireKept(filter);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            writer.WriteStartObject();
            WriteAction(writer, "defaultAction", "defaultErrnoRet", filter.DefaultAction);
            WriteStrings(writer, "architectures", filter.Architectures.Select(a => a.OciName()));
            // Without a list runc sets SPEC_ALLOW.
            WriteStrings(writer, "flags",
                SeccompProfile.Flags.Where(f => f.Flag != SeccompFlags.None && filter.Flags.HasFlag(f.Flag)).Select(f => f.Name));
            writer.WriteStartArray("syscalls");
            SeccompRule[] rules = [.. Rules(filter)];
            foreach (var entry in rules.GroupBy(r => (r.Action, string.Join(';', r.Conditions))))
                WriteEntry(writer, [.. entry.Select(r => r.Syscall).Order(StringComparer.Ordinal)], entry.First());
            string[] newest = [.. Newest(filter).Except(rules.Select(r => r.Syscall))];
            if (newest.Length > 0)
                WriteEntry(writer, newest, new SeccompRule(newest[0], filter.DefaultAction, []));
            writer.WriteEndArray();
            writer.WriteEndObject();
        }

        return System.Text.Encoding.UTF8.GetString(buffer.GetBuffer(), 0, (int)buffer.Length);
    }

    private static void RequireWords(SeccompFilter filter)
    {
        if (filter.NewerSyscalls is { } newer && newer.CompareTo(filter.DefaultAction) < 0 && filter.DefaultAction.MayRun
            && !SeccompProfile.RefusesNewer(filter.DefaultAction))
            throw new InvalidOperationException($"A profile has no words for calls that are newer than Linux {SyscallTable.Version}, "
                + $"which get {newer}, and the default action is {filter.DefaultAction}.");
        RequireWords(filter.DefaultAction, "the default action");
        foreach (SeccompRule rule in filter.Rules)
            RequireWords(rule.Action, $"the rule \"{rule}\"");
    }

    /// <summary>On i386 a rule for socketcall(2) or ipc(2) itself also holds for the calls that go through it. With the default action no
    /// reader keeps it, and a weaker rule of such a call would decide alone.</summary>
    private static void RequireKept(SeccompFilter filter)
    {
        if (!filter.Architectures.Contains(SeccompArchitecture.X86))
            return;
        foreach (SeccompRule rule in filter.Rules.Where(r => r.Action == filter.DefaultAction))
        {
            uint? number = rule.Number(SeccompArchitecture.X86);
            SeccompRule? weaker = MultiplexedSyscalls.Stand(filter)
                .Where(s => s.Number == number && s.Rule.Action.CompareTo(rule.Action) > 0).Select(s => s.Rule).FirstOrDefault();
            if (weaker is not null)
            {
                throw new InvalidOperationException(
                    $"A profile cannot say the rule \"{rule}\": readers drop rules with the default action, and on X86 "
                        + $"{weaker.Syscall} goes through it, which gets {weaker.Action}. Leave X86 out, or give both the same action.");
            }
        }
    }

    private static void RequireWords(SeccompAction action, string where)
    {
        if (action is { Kind: SeccompActionKind.Trap, Data: not 0 })
            throw new InvalidOperationException($"A profile has no words for the value of a trap, which {where} has.");
    }

    /// <summary>The newest calls that the filter knows. Readers drop an entry with the default action, but only after they have looked
    /// which calls the profile names: those above fail with <c>ENOSYS</c>. A reader that is older than a call ignores its name.</summary>
    private static IEnumerable<string> Newest(SeccompFilter filter) => !SeccompProfile.RefusesNewer(filter.DefaultAction) ? []
        : filter.Architectures.Select(a => filter.Newest(a) is { } number ? SyscallTable.For(a).Name(number) : null).OfType<string>()
            .Concat(s_newestOfLibseccomp.Where(n => filter.Architectures.All(a =>
                SyscallTable.For(a).Number(n) is not { } number || number <= filter.Newest(a)))).Distinct();

    // A name that no architecture of the filter has decides nothing, and can make libseccomp 2.5.4
    // forget to load the number of the next call.
    private static IEnumerable<SeccompRule> Rules(SeccompFilter filter) =>
        filter.Rules.Where(r => filter.Architectures.Any(a => r.Number(a) is not null))
            .GroupBy(r => Name(r, filter), StringComparer.Ordinal).SelectMany(call => Rules(call.Key, call, filter.DefaultAction));

    /// <summary>The rules of one call so that at most one matches, of the actions that are not the default.</summary>
    private static SeccompRule[] Rules(string syscall, IEnumerable<SeccompRule> call, SeccompAction defaultAction)
    {
        SeccompRule[] rules = [.. call.Select(r => r with { Syscall = syscall }).Distinct().Order(SeccompRule.StrictestFirst)];
        var (decided, _) = ArgumentRegion.Partition(rules) ?? throw TooMany(rules[^1]);
        decided.RemoveAll(d => d.Rule.Action == defaultAction);
        SeccompRule[] written = [.. Rules(decided, c => IsAgreedOn(syscall, c))];
        if (written.Length < 2)
            return written;
        // Several comparisons in one tree libseccomp 2.5 compiles to programs that contradict them; some masks it does not.
        written = [.. Rules(decided, _ => false)];
        if (!AreSafeInATree(written))
        {
            throw new InvalidOperationException(
                $"A profile cannot say the rule \"{rules.MaxBy(r => r.Conditions.Length)}\": with the other rules of the "
                    + "call it takes several that libseccomp would compile to something else. "
                    + "Use rules that look at one argument, the call's int if it has one.");
        }

        return written.Length <= ArgumentBits.Maximum ? written : throw TooMany(rules[^1]);
    }

    /// <summary>Whether libseccomp tells several rules apart: values of one argument, or masks within its low half. It tests the halves one
    /// after the other, and does not come back from a half that matched to try another rule.</summary>
    private static bool AreSafeInATree(SeccompRule[] rules)
    {
        SeccompCondition[] conditions = [.. rules.SelectMany(r => r.Conditions)];
        return conditions.Select(c => c.Argument).Distinct().Count() <= 1
            && (conditions.All(c => c.Mask <= uint.MaxValue) || conditions.All(c => c.Mask == ulong.MaxValue));
    }

    private static IEnumerable<SeccompRule> Rules(List<(ArgumentRegion Where, SeccompRule Rule)> decided,
        Func<SeccompCondition, bool> isAgreedOn) =>
        decided.SelectMany(d => (d.Where.Split(isAgreedOn) ?? throw TooMany(d.Rule))
            .Select(conditions => d.Rule with { Conditions = conditions }));

    /// <summary>Whether all readers take a condition alike as it is.</summary>
    private static bool IsAgreedOn(string syscall, SeccompCondition condition) => condition.Comparison == SeccompComparison.MaskedEqual
        ? condition.Mask != 0
        : condition.Mask == ulong.MaxValue && SyscallParameters.Mask(syscall, condition.Argument) == ulong.MaxValue
            && ArgumentBits.Of(condition) is [{ Mask: not 0 }, ..];

    private static InvalidOperationException TooMany(SeccompRule rule) =>
        new($"A profile cannot say the rule \"{rule}\": beside the other rules of the call it would take more than {ArgumentBits.Maximum} "
            + "rules with one condition for an argument each.");

    private static string Name(SeccompRule rule, SeccompFilter filter)
    {
        if (!char.IsAsciiDigit(rule.Syscall[0]))
            return rule.Syscall;
        // A number means a call on each architecture, a profile's name one call on all of them.
        string[] names = [.. filter.Architectures.Select(a => SyscallTable.For(a).Name(rule.Number(a)!.Value) ?? "").Distinct()];
        return names is [{ Length: > 0 } name]
            ? name
            : throw new InvalidOperationException(
                $"A profile has names, and the number in the rule \"{rule}\" has {(names.Length > 1 ? "several" : "none")}.");
    }

    private static void WriteEntry(Utf8JsonWriter writer, IEnumerable<string> names, SeccompRule rule)
    {
        writer.WriteStartObject();
        WriteStrings(writer, "names", names);
        WriteAction(writer, "action", "errnoRet", rule.Action);
        if (!rule.Conditions.IsEmpty)
        {
            writer.WriteStartArray("args");
            foreach (SeccompCondition condition in rule.Conditions)
                WriteCondition(writer, condition);
            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }

    private static void WriteCondition(Utf8JsonWriter writer, SeccompCondition condition)
    {
        bool masked = condition.Comparison == SeccompComparison.MaskedEqual;
        writer.WriteStartObject();
        writer.WriteNumber("index", condition.Argument);
        writer.WriteNumber("value", masked ? condition.Mask : condition.Value);
        if (masked)
            writer.WriteNumber("valueTwo", condition.Value);
        writer.WriteString("op", SeccompProfile.Comparisons[(int)condition.Comparison]);
        writer.WriteEndObject();
    }

    private static void WriteAction(Utf8JsonWriter writer, string property, string errnoProperty, SeccompAction action)
    {
        writer.WriteString(property, SeccompProfile.Actions[(int)action.Kind]);
        if (action.Kind is SeccompActionKind.Errno or SeccompActionKind.Trace)
            writer.WriteNumber(errnoProperty, action.Data);
    }

    private static void WriteStrings(Utf8JsonWriter writer, string property, IEnumerable<string> values)
    {
        writer.WriteStartArray(property);
        foreach (string value in values)
            writer.WriteStringValue(value);
        writer.WriteEndArray();
    }
}
