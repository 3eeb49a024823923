using System.Buffers.Binary;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A rule of policy routing: what <c>ip rule</c> shows. Rules are looked at in the order of their priorities.</summary>
/// <example><code>route.Add(new Rule { Source = IPNetwork.Parse("10.0.0.0/24"), Table = 100 });</code></example>
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

    /// <summary>The ports that packets come from; null for any. Since Linux 4.17.</summary>
    public RuleRange? SourcePorts { get; init; }

    /// <summary>The ports that packets go to; null for any. Since Linux 4.17.</summary>
    public RuleRange? DestinationPorts { get; init; }

    /// <summary>The users whose sockets send them: <c>uidrange</c>; null for any. Since Linux 4.10.</summary>
    public RuleRange? UserIds { get; init; }

    /// <summary>Their type of service, <c>tos</c>; 0 for any.</summary>
    public byte Tos { get; init; }

    /// <summary>The priority of the rule to go on at, for <see cref="RuleAction.Goto"/>.</summary>
    public uint? GotoPriority { get; init; }

    /// <summary>Who made it: <c>FRA_PROTOCOL</c>, <c>protocol</c>. Since Linux 4.17.</summary>
    public RouteProtocol MadeBy { get; init; }

    /// <summary>What was read of it and has no property.</summary>
    internal KeptAttributes Kept { get; init; }

    /// <summary>Routes of the table whose prefix is no longer than this are left out:
    /// <c>suppress_prefixlength</c>; null for none.</summary>
    public int? SuppressPrefixLength { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWRULE;

    internal override string Noun => "rule";

    internal override string Subject => ToString();

    private byte Family => Source is { } source ? AddressText.Family(source)
        : Destination is { } destination ? AddressText.Family(destination)
        : IPv6 ? (byte)10
        : (byte)2;

    /// <summary>The rule as <c>ip rule</c> prints it.</summary>
    public override string ToString()
    {
        string text = string.Create(CultureInfo.InvariantCulture,
            $"{(Priority is { } p ? $"{p}: " : "")}{(Inverted ? "not " : "")}from {Source?.ToString() ?? "all"}"
                + $"{(Destination is { } d ? $" to {d}" : "")}{(Mark is { } m ? $" fwmark 0x{m:x}" : "")}"
                + $"{(InputInterface is { } i ? $" iif {i}" : "")}{(OutputInterface is { } o ? $" oif {o}" : "")}");
        if (UserIds is { } users)
            text += $" uidrange {users.First}-{users.Last}";
        if (SourcePorts is { } sources)
            text += $" sport {sources}";
        if (DestinationPorts is { } destinations)
            text += $" dport {destinations}";
        if (Action == RuleAction.Goto)
            return string.Create(CultureInfo.InvariantCulture, $"{text} goto {GotoPriority ?? 0}");
        return Action == RuleAction.Table
            ? string.Create(CultureInfo.InvariantCulture, $"{text} lookup {Table ?? Route.MainTable}")
            : $"{text} {Action.ToString().ToLowerInvariant()}";
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
            Tos = payload[3],
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
                FibRules.FRA_SPORT_RANGE => rule with { SourcePorts = PortsOf(reader) },
                FibRules.FRA_DPORT_RANGE => rule with { DestinationPorts = PortsOf(reader) },
                FibRules.FRA_UID_RANGE => rule with { UserIds = UsersOf(reader) },
                FibRules.FRA_GOTO => rule with { GotoPriority = reader.UInt32 },
                FibRules.FRA_PROTOCOL => rule with { MadeBy = (RouteProtocol)reader.Byte },
                FibRules.FRA_FWMASK or FibRules.FRA_SUPPRESS_PREFIXLEN or FibRules.FRA_PAD => rule,
                _ => rule with { Kept = rule.Kept.With(reader) },
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
        header[3] = Tos;
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
        PutPorts(writer, FibRules.FRA_SPORT_RANGE, SourcePorts);
        PutPorts(writer, FibRules.FRA_DPORT_RANGE, DestinationPorts);
        if (UserIds is { } users)
        {
            // struct fib_rule_uid_range { u32 start, end; }
            Span<byte> range = stackalloc byte[8];
            BinaryPrimitives.WriteUInt32LittleEndian(range, users.First);
            BinaryPrimitives.WriteUInt32LittleEndian(range[4..], users.Last);
            writer.Put(FibRules.FRA_UID_RANGE, range);
        }

        if (GotoPriority is { } target)
            writer.PutUInt32(FibRules.FRA_GOTO, target);
        if (MadeBy != RouteProtocol.Unspecified)
            writer.PutByte(FibRules.FRA_PROTOCOL, (byte)MadeBy);
        writer.Put(Kept);
        writer.End();
    }

    private static void PutPorts(NetlinkWriter writer, ushort type, RuleRange? ports)
    {
        if (ports is not { } given)
            return;
        // struct fib_rule_port_range { u16 start, end; }
        Span<byte> range = stackalloc byte[4];
        BinaryPrimitives.WriteUInt16LittleEndian(range, checked((ushort)given.First));
        BinaryPrimitives.WriteUInt16LittleEndian(range[2..], checked((ushort)given.Last));
        writer.Put(type, range);
    }

    private static RuleRange PortsOf(AttributeReader reader)
    {
        ReadOnlySpan<byte> range = reader.Struct(4);
        return new RuleRange(BinaryPrimitives.ReadUInt16LittleEndian(range), BinaryPrimitives.ReadUInt16LittleEndian(range[2..]));
    }

    private static RuleRange UsersOf(AttributeReader reader)
    {
        ReadOnlySpan<byte> range = reader.Struct(8);
        return new RuleRange(BinaryPrimitives.ReadUInt32LittleEndian(range), BinaryPrimitives.ReadUInt32LittleEndian(range[4..]));
    }
}
