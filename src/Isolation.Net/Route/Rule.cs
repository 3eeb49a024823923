using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>What a rule does with a packet that it matches: <c>FR_ACT_*</c>.</summary>
public enum RuleAction : byte
{
    /// <summary>Looks in a table.</summary>
    Table = 1,

    /// <summary>Goes on at another rule.</summary>
    Goto = 2,

    /// <summary>Nothing.</summary>
    Nop = 3,

    /// <summary>Drops it.</summary>
    Blackhole = 6,

    /// <summary>Refuses it: network unreachable.</summary>
    Unreachable = 7,

    /// <summary>Refuses it: administratively prohibited.</summary>
    Prohibit = 8,
}

/// <summary>A rule of policy routing: what <c>ip rule</c> shows. Rules are looked at in the order of their priorities.</summary>
public sealed record Rule : RouteObject
{
    /// <summary>Whether it is of IPv6, where no address says so.</summary>
    public bool IPv6 { get; init; }

    /// <summary>Its place; null lets the kernel choose one before the others.</summary>
    public uint? Priority { get; init; }

    /// <summary>Where packets come from; null for anywhere.</summary>
    public IPNetwork? Source { get; init; }

    /// <summary>Where packets go to; null for anywhere.</summary>
    public IPNetwork? Destination { get; init; }

    /// <summary>The name of the link that they came in by; null for any.</summary>
    public string? InputInterface { get; init; }

    /// <summary>The name of the link that the program has bound to; null for any.</summary>
    public string? OutputInterface { get; init; }

    /// <summary>Their mark; null for any.</summary>
    public uint? Mark { get; init; }

    /// <summary>Which bits of the mark count; null for all.</summary>
    public uint? MarkMask { get; init; }

    /// <summary>What is done.</summary>
    public RuleAction Action { get; init; } = RuleAction.Table;

    /// <summary>The table; null for the main one.</summary>
    public uint? Table { get; init; }

    /// <summary>Whether it matches what it would not: <c>not</c>.</summary>
    public bool Inverted { get; init; }

    /// <summary>The transport protocol: 6 is TCP, 17 UDP; null for any.</summary>
    public byte? Protocol { get; init; }

    /// <summary>Routes of the table whose prefix is no longer than this are left out: <c>suppress_prefixlength</c>; null for none.</summary>
    public int? SuppressPrefixLength { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWRULE;

    internal override string Noun => "rule";

    internal override string Subject => ToString();

    private byte Family => Source is { } source ? AddressText.Family(source) : Destination is { } destination ? AddressText.Family(destination) : IPv6 ? (byte)10 : (byte)2;

    /// <summary>The rule as <c>ip rule</c> prints it.</summary>
    public override string ToString()
    {
        string text = string.Create(CultureInfo.InvariantCulture, $"{(Priority is { } p ? $"{p}: " : "")}{(Inverted ? "not " : "")}from {Source?.ToString() ?? "all"}{(Destination is { } d ? $" to {d}" : "")}{(Mark is { } m ? $" fwmark 0x{m:x}" : "")}{(InputInterface is { } i ? $" iif {i}" : "")}{(OutputInterface is { } o ? $" oif {o}" : "")}");
        return Action == RuleAction.Table ? string.Create(CultureInfo.InvariantCulture, $"{text} lookup {Table ?? Route.MainTable}") : $"{text} {Action.ToString().ToLowerInvariant()}";
    }

    internal override void WriteNew(NetlinkWriter writer, ushort flags) => Write(writer, Rtnetlink.RTM_NEWRULE, flags);

    internal override void WriteDelete(NetlinkWriter writer) => Write(writer, Rtnetlink.RTM_DELRULE, 0);

    internal static Rule Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 12)
            throw NetlinkException.Malformed($"A rule has {payload.Length} bytes.");
        byte sourceLength = payload[2], destinationLength = payload[1];
        var rule = new Rule
        {
            IPv6 = payload[0] == 10,
            Action = (RuleAction)payload[7],
            Table = payload[4],
            Priority = 0,
            Inverted = (BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]) & FibRules.FIB_RULE_INVERT) != 0,
        };
        var reader = new AttributeReader(payload[12..]);
        while (reader.MoveNext())
        {
            rule = reader.Type switch
            {
                FibRules.FRA_SRC => rule with { Source = Route.Network(reader.IPAddress, sourceLength) },
                FibRules.FRA_DST => rule with { Destination = Route.Network(reader.IPAddress, destinationLength) },
                FibRules.FRA_IIFNAME => rule with { InputInterface = reader.Text },
                FibRules.FRA_OIFNAME => rule with { OutputInterface = reader.Text },
                FibRules.FRA_PRIORITY => rule with { Priority = reader.UInt32 },
                FibRules.FRA_FWMARK => rule with { Mark = reader.UInt32 },
                FibRules.FRA_FWMASK when reader.UInt32 != uint.MaxValue => rule with { MarkMask = reader.UInt32 },
                FibRules.FRA_TABLE => rule with { Table = reader.UInt32 },
                FibRules.FRA_IP_PROTO => rule with { Protocol = reader.Byte },
                FibRules.FRA_SUPPRESS_PREFIXLEN when reader.Int32 >= 0 => rule with { SuppressPrefixLength = reader.Int32 },
                _ => rule,
            };
        }

        return rule.Mark is null or 0 && rule.MarkMask == 0 ? rule with { Mark = null, MarkMask = null } : rule;
    }

    private void Write(NetlinkWriter writer, ushort type, ushort flags)
    {
        // struct fib_rule_hdr { u8 family, dst_len, src_len, tos, table, res1, res2, action; u32 flags; }
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        uint table = Action == RuleAction.Table ? Table ?? Route.MainTable : 0;
        header[0] = Family;
        header[1] = (byte)(Destination?.PrefixLength ?? 0);
        header[2] = (byte)(Source?.PrefixLength ?? 0);
        header[4] = table <= byte.MaxValue ? (byte)table : Rtnetlink.RT_TABLE_COMPAT;
        header[7] = (byte)Action;
        if (Inverted)
            BinaryPrimitives.WriteUInt32LittleEndian(header[8..], FibRules.FIB_RULE_INVERT);
        writer.Begin(type, flags, header);
        if (Source is { PrefixLength: > 0 } source)
            writer.PutAddress(FibRules.FRA_SRC, source.BaseAddress);
        if (Destination is { PrefixLength: > 0 } destination)
            writer.PutAddress(FibRules.FRA_DST, destination.BaseAddress);
        if (Priority is { } priority)
            writer.PutUInt32(FibRules.FRA_PRIORITY, priority);
        if (InputInterface is not null)
            writer.PutText(FibRules.FRA_IIFNAME, LinkNames.Check(InputInterface));
        if (OutputInterface is not null)
            writer.PutText(FibRules.FRA_OIFNAME, LinkNames.Check(OutputInterface));
        if (Mark is { } mark)
            writer.PutUInt32(FibRules.FRA_FWMARK, mark);
        if (MarkMask is { } mask)
            writer.PutUInt32(FibRules.FRA_FWMASK, mask);
        if (table > byte.MaxValue)
            writer.PutUInt32(FibRules.FRA_TABLE, table);
        if (Protocol is { } protocol)
            writer.PutByte(FibRules.FRA_IP_PROTO, protocol);
        if (SuppressPrefixLength is { } length)
            writer.PutInt32(FibRules.FRA_SUPPRESS_PREFIXLEN, length);
        writer.End();
    }
}
