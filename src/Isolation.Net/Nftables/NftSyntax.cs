using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>Writes what nf_tables keeps as nft(8) does.</summary>
internal static class NftSyntax
{
    /// <summary>A rule on one line.</summary>
    /// <param name="rule">The rule.</param>
    /// <param name="sets">The sets that it uses, to write those without a name; null where they are not known.</param>
    internal static string Rule(NftRule rule, IReadOnlyDictionary<string, (NftSet Set, ImmutableArray<NftElement> Elements)>? sets) =>
        new NftRuleWriter(rule, sets).Write();

    /// <summary>A table with all that is in it.</summary>
    internal static string Table(NftTableContent content)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"table {NftNames.Of(content.Table.Family)} {content.Table.Table} {{\n");
        var blocks = new List<string>();
        if (content.Table.Comment is { } comment)
            text.Append(CultureInfo.InvariantCulture, $"\tcomment \"{comment}\"\n");
        if (content.Table.Dormant || content.Table.Owned)
            blocks.Add($"\tflags {(content.Table.Dormant ? "dormant" : "")}{(content.Table is { Dormant: true, Owned: true } ? "," : "")}"
                + $"{(content.Table.Owned ? "owner" : "")}\n");
        blocks.AddRange(content.Objects.Select(Object));
        blocks.AddRange(content.Sets.Where(s => !s.Set.IsAnonymous).Select(s => Set(s.Set, s.Elements)));
        var sets = content.Sets.ToDictionary(s => s.Set.Name);
        blocks.AddRange(content.Chains.Select(c => Chain(c.Chain, c.Rules, sets)));
        text.AppendJoin('\n', blocks);
        return text.Append("}\n").ToString();
    }

    internal static string Time(TimeSpan time)
    {
        var text = new StringBuilder();
        foreach ((long ticks, string unit) in new[] { (TimeSpan.TicksPerDay, "d"), (TimeSpan.TicksPerHour, "h"),
            (TimeSpan.TicksPerMinute, "m"), (TimeSpan.TicksPerSecond, "s"), (TimeSpan.TicksPerMillisecond, "ms") })
        {
            long count = time.Ticks / ticks;
            time -= TimeSpan.FromTicks(count * ticks);
            if (count > 0)
                text.Append(count).Append(unit);
        }

        return text.Length == 0 ? "0s" : text.ToString();
    }

    internal static string Bytes(ulong bytes)
    {
        foreach ((ulong size, string unit) in new[] { (1ul << 20, "mbytes"), (1ul << 10, "kbytes") })
        {
            if (bytes >= size && bytes % size == 0)
                return string.Create(CultureInfo.InvariantCulture, $"{bytes / size} {unit}");
        }

        return string.Create(CultureInfo.InvariantCulture, $"{bytes} bytes");
    }

    internal static string Quota(QuotaExpression quota) =>
        $"{(quota.Over ? "over " : "")}{Bytes(quota.Bytes)}{(quota.Consumed > 0 ? $" used {Bytes(quota.Consumed)}" : "")}";

    /// <summary>A statement that needs no rule around it to be told: what counts and limits.</summary>
    internal static string Statement(NftExpression expression) => expression switch
    {
        CounterExpression counter =>
            string.Create(CultureInfo.InvariantCulture, $"counter packets {counter.Packets} bytes {counter.Bytes}"),
        LimitExpression limit => Limit(limit),
        QuotaExpression quota => "quota " + Quota(quota),
        _ => $"[{expression.Name}]",
    };

    private static string Limit(LimitExpression limit)
    {
        string unit = limit.UnitSeconds switch { 1 => "second", 60 => "minute", 3600 => "hour", 86400 => "day", _ => "week" };
        string over = limit.Over ? "over " : "";
        return limit.OfBytes
            ? $"limit rate {over}{Bytes(limit.Rate)}/{unit}{(limit.Burst > 0 ? " burst " + Bytes(limit.Burst) : "")}"
            : string.Create(CultureInfo.InvariantCulture, $"limit rate {over}{limit.Rate}/{unit} burst {limit.Burst} packets");
    }

    // A set says what its elements have, and not how much.
    private static string Declaration(NftExpression expression) => expression is CounterExpression ? "counter" : Statement(expression);

    private static string DataOf(NftSet set) => set.Verdicts ? "verdict"
        : set.ObjectKind is { } kind ? kind.ToString().ToLowerInvariant()
        : string.Join(" . ", set.DataTypes);

    private static string Object(NftStateful state) => state.State switch
    {
        CounterExpression counter => string.Create(CultureInfo.InvariantCulture,
            $"\tcounter {state.Name} {{\n\t\tpackets {counter.Packets} bytes {counter.Bytes}\n\t}}\n"),
        QuotaExpression quota => $"\tquota {state.Name} {{\n\t\t{Quota(quota)}\n\t}}\n",
        _ => "",
    };

    private static string Set(NftSet set, ImmutableArray<NftElement> elements)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture,
            $"\t{set.Noun} {set.Name} {{\n\t\t"
                + $"{(set.KeyTypes[0].TypeOf is null ? $"type {string.Join(" . ", set.KeyTypes)}" : "typeof meta cpu")}"
                + $"{(set.IsMap ? $" : {(set.IntervalData ? "interval " : "")}{DataOf(set)}" : "")}\n");
        if (set.Policy == NftSetPolicy.Memory)
            text.Append("\t\tpolicy memory\n");
        if (set.Size is { } size)
            text.Append(CultureInfo.InvariantCulture, $"\t\tsize {size}\n");
        string[] flags = [.. new[] { (set.Constant, "constant"), (set.Interval, "interval"), (set.HasTimeouts, "timeout"),
            (set.Dynamic, "dynamic") }.Where(f => f.Item1).Select(f => f.Item2)];
        // A timeout of its own says that there are some.
        if (flags.Length > 0 && !(flags is ["timeout"] && set.Timeout is not null))
            text.Append(CultureInfo.InvariantCulture, $"\t\tflags {string.Join(',', flags)}\n");
        if (!set.Expressions.IsEmpty)
            text.Append(CultureInfo.InvariantCulture, $"\t\t{string.Join(' ', set.Expressions.Select(Declaration))}\n");
        if (set.AutoMerge)
            text.Append("\t\tauto-merge\n");
        if (set.Timeout is { } timeout)
            text.Append(CultureInfo.InvariantCulture, $"\t\ttimeout {Time(timeout)}\n");
        if (set.GarbageCollectionInterval is { } collection)
            text.Append(CultureInfo.InvariantCulture, $"\t\tgc-interval {Time(collection)}\n");
        if (set.Comment is not null)
            text.Append(CultureInfo.InvariantCulture, $"\t\tcomment \"{set.Comment}\"\n");
        if (!elements.IsEmpty)
            text.Append(CultureInfo.InvariantCulture, $"\t\telements = {{ {string.Join(", ", elements.Select(e => e.Format(set)))} }}\n");
        return text.Append("\t}\n").ToString();
    }

    private static string Chain(NftChain chain, ImmutableArray<NftRule> rules,
        Dictionary<string, (NftSet, ImmutableArray<NftElement>)> sets)
    {
        var text = new StringBuilder();
        text.Append(CultureInfo.InvariantCulture, $"\tchain {chain.Name} {{\n");
        if (chain.Comment is not null)
            text.Append(CultureInfo.InvariantCulture, $"\t\tcomment \"{chain.Comment}\"\n");
        if (chain.Hook is { } hook)
        {
            string devices = chain.Devices.Length switch
            {
                0 => "",
                1 => $" device \"{chain.Devices[0]}\"",
                _ => $" devices = {{ {string.Join(", ", chain.Devices)} }}",
            };
            text.Append(CultureInfo.InvariantCulture, $"\t\ttype {NftNames.Of(chain.Type)} hook {NftNames.Of(hook)}{devices} "
                + $"priority {NftNames.Priority(chain.Family, hook, chain.Priority)}; policy {chain.Policy ?? NftVerdict.Accept};\n");
        }

        foreach (NftRule rule in rules)
            text.Append(CultureInfo.InvariantCulture, $"\t\t{Rule(rule, sets)}\n");
        return text.Append("\t}\n").ToString();
    }
}
