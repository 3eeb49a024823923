using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>Writes one rule as nft(8) does: follows what the registers hold, and leaves out what goes without saying.</summary>
internal sealed class NftRuleWriter(NftRule rule, IReadOnlyDictionary<string, (NftSet Set, ImmutableArray<NftElement> Elements)>? sets)
{
    private readonly Dictionary<int, Content> _registers = [];
    private readonly List<string> _words = [];
    private byte? _transport;
    private NftFamily? _family = rule.Family is NftFamily.IPv4 or NftFamily.IPv6 ? rule.Family : null;
    private int _transportWord = -1, _familyWord = -1, _ethernetWord = -1;

    /// <summary>What a register holds: a field, masked or not, or a constant, or what a map has for something.</summary>
    private sealed record Content(NftField? Field, string Text, NftData? Mask = null, NftData? Constant = null, int Loaded = 0)
    {
        /// <summary>Whether its most significant byte is the first, whatever the machine's order.</summary>
        internal bool Ordered { get; init; }
    }

    internal string Write()
    {
        for (int i = 0; i < rule.Expressions.Length; i++)
        {
            // A range is also told by its two ends.
            if (i + 1 < rule.Expressions.Length && rule.Expressions[i] is CmpExpression { Operator: NftOperator.GreaterOrEqual } from
                && rule.Expressions[i + 1] is CmpExpression { Operator: NftOperator.LessOrEqual } to && from.Source == to.Source)
            {
                Follow(new RangeExpression(from.Source, from.Value, to.Value));
                i++;
            }
            else
            {
                Follow(rule.Expressions[i]);
            }
        }

        if (rule.Comment is not null)
            _words.Add($"comment \"{rule.Comment}\"");
        return string.Join(' ', _words.Where(w => w.Length > 0));
    }

    private void Follow(NftExpression expression)
    {
        switch (expression)
        {
            case PayloadExpression payload:
                Load(payload, payload.Destination,
                    FormattableString.Invariant($"@{Short(payload.Base)},{payload.Offset * 8},{payload.Length * 8}"), payload.Length);
                break;
            case MetaExpression { Sets: false } meta:
                Load(meta, meta.Register, FormattableString.Invariant($"meta {meta.Key}"), 0);
                break;
            case CtExpression { Sets: false } ct:
                Load(ct, ct.Register, FormattableString.Invariant($"ct {ct.Key}"), 0);
                break;
            case FibExpression fib:
                Load(fib, fib.Destination, FormattableString.Invariant($"fib {fib.Flags} {fib.Result}"), 0);
                break;
            case SocketExpression socket:
                Load(socket, socket.Destination, FormattableString.Invariant($"socket {socket.Key}"), 0);
                break;
            case BitwiseExpression bitwise when _registers.TryGetValue(bitwise.Source.Index, out Content? masked):
                _registers[bitwise.Destination.Index] = masked with { Mask = bitwise.Mask };
                break;
            case ByteorderExpression turn when _registers.TryGetValue(turn.Source.Index, out Content? turned):
                _registers[turn.Destination.Index] = turned with { Ordered = !turn.ToHost };
                break;
            case ImmediateExpression { Verdict: { } verdict }:
                _words.Add(verdict.ToString());
                break;
            case ImmediateExpression immediate:
                _registers[immediate.Destination.Index] = new Content(null, "", Constant: immediate.Value);
                break;
            case CmpExpression cmp:
                Compare(cmp);
                break;
            case RangeExpression range when Used(range.Source) is { } ranged:
                NftType type = ranged.Field?.Type ?? NftType.Integer(range.From.Length);
                string values = type.Format(new NftInterval(range.From, range.To), ranged.Ordered);
                _words.Add($"{ranged.Text} {(range.Outside ? "!= " : "")}{values}");
                break;
            case LookupExpression lookup:
                Look(lookup);
                break;
            default:
                _words.Add(Statement(expression));
                break;
        }
    }

    private void Load(NftExpression load, NftRegister register, string otherwise, int length)
    {
        var field = NftField.Of(load, _transport, _family);
        _registers[register.Index] = new Content(field, field?.Name ?? otherwise, Loaded: length);
    }

    /// <summary>What a register holds, used by what is written next: what its field needs goes without saying then.</summary>
    private Content? Used(NftRegister register)
    {
        if (!_registers.TryGetValue(register.Index, out Content? content))
            return null;
        if (content.Field?.Transport is not null && _transportWord >= 0)
        {
            _words[_transportWord] = "";
            _transportWord = -1;
        }

        if (content.Field is { IsOfEthernet: true } && _ethernetWord >= 0)
        {
            _words[_ethernetWord] = "";
            _ethernetWord = -1;
        }

        if (content.Field?.Family is not null && _familyWord >= 0)
        {
            _words[_familyWord] = "";
            _familyWord = -1;
        }

        return content;
    }

    private void Compare(CmpExpression cmp)
    {
        if (Used(cmp.Source) is not { } content)
            return;
        NftType type = content.Field?.Type ?? NftType.Integer(cmp.Value.Length);
        bool known = cmp.Operator == NftOperator.Equal && content.Mask is null;
        if (known && ReferenceEquals(content.Field, NftField.TransportProtocol))
            (_transport, _transportWord) = (cmp.Value.Bytes is [{ } protocol] ? protocol : null, _words.Count);
        else if (known && ReferenceEquals(content.Field, NftField.PacketFamily))
            (_family, _familyWord) = (cmp.Value.Bytes is [{ } family] ? (NftFamily)family : null, _words.Count);
        else if (known && ReferenceEquals(content.Field, NftField.InputLinkType) && cmp.Value == NftRule.Ethernet)
            _ethernetWord = _words.Count;
        else if (known && ReferenceEquals(content.Field, NftField.LinkProtocol) && rule.Family is NftFamily.Bridge or NftFamily.Netdev)
            (_family, _familyWord) = (cmp.Value.ToNetworkNumber() switch { 0x0800 => NftFamily.IPv4, 0x86dd => NftFamily.IPv6, _ => null },
                _words.Count);
        _words.Add($"{content.Text} {Comparison(cmp, content, type)}");
    }

    private static string Comparison(CmpExpression cmp, Content content, NftType type)
    {
        string sign = cmp.Operator switch
        {
            NftOperator.NotEqual => "!= ",
            NftOperator.LessThan => "< ",
            NftOperator.LessOrEqual => "<= ",
            NftOperator.GreaterThan => "> ",
            NftOperator.GreaterOrEqual => ">= ",
            _ => "",
        };
        if (content.Mask is { } mask)
        {
            // Any of some flags: what is left of the others is not zero.
            if (type.IsBits && cmp.Value.IsZero && cmp.Operator is NftOperator.Equal or NftOperator.NotEqual)
                return (cmp.Operator == NftOperator.Equal ? "! " : "") + type.Format(mask);
            return type.HasPrefixes && Prefix(mask) is { } length ? FormattableString.Invariant($"{sign}{type.Format(cmp.Value)}/{length}")
                : $"& {type.Format(mask)} {(sign.Length == 0 ? "== " : sign)}{type.Format(cmp.Value, content.Ordered)}";
        }

        if (type.HasPrefixes && content.Loaded > 0 && content.Loaded < type.Length)
        {
            byte[] whole = [.. cmp.Value.Bytes, .. new byte[type.Length - Math.Min(type.Length, cmp.Value.Length)]];
            return FormattableString.Invariant($"{sign}{type.Format(new NftData(whole))}/{content.Loaded * 8}");
        }

        if (ReferenceEquals(type, NftType.LinkName) && cmp.Value.Length < type.Length)
            return $"{sign}\"{System.Text.Encoding.UTF8.GetString(cmp.Value.Bytes)}*\"";
        return sign + type.Format(cmp.Value, content.Ordered, numeric: content.Ordered);
    }

    private void Look(LookupExpression lookup)
    {
        NftSet? set = null;
        ImmutableArray<NftElement> elements = [];
        if (sets is not null && sets.TryGetValue(lookup.Set, out var found))
            (set, elements) = found;
        else if (rule.AnonymousSets.FirstOrDefault(s => lookup.SetId == s.Set.Id && s.Set.Name == lookup.Set) is { } own)
            (set, elements) = (own.Set, own.Items);
        string key = Key(lookup.Source, set);
        string shown = set is { IsAnonymous: true } ? $"{{ {string.Join(", ", elements.Select(e => e.Format(set)))} }}" : "@" + lookup.Set;
        if (lookup.Destination is not { } destination)
        {
            _words.Add($"{key} {(lookup.Inverted ? "!= " : "")}{shown}");
            return;
        }

        if (destination == NftRegister.Verdict)
            _words.Add($"{key} vmap {shown}");
        else
            _registers[destination.Index] = new Content(null, $"{key} map {shown}");
    }

    // The key's fields follow each other in the registers.
    private string Key(NftRegister source, NftSet? set)
    {
        var parts = new List<string>();
        int index = source.Index, end = set is null ? int.MaxValue : index + set.KeyTypes.Sum(t => NftSet.Padded(t.Length)) / 4;
        while (index < end && _registers.TryGetValue(index, out Content? content) && Used(NftRegister.Word(index)) is not null)
        {
            parts.Add(content.Text);
            if (set is null && source.Number < NfTables.NFT_REG32_00 && parts.Count == 1 && !_registers.ContainsKey(index + 1))
                break;
            index += NftSet.Padded(content.Field?.Type.Length ?? 4) / 4;
        }

        return string.Join(" . ", parts);
    }

    private string Statement(NftExpression expression) => expression switch
    {
        ObjectExpression { Type: NfTables.NFT_OBJECT_COUNTER } named => $"counter name \"{named.Object}\"",
        ObjectExpression { Type: NfTables.NFT_OBJECT_QUOTA } named => $"quota name \"{named.Object}\"",
        LogExpression log => "log" + (log.Prefix is null ? "" : $" prefix \"{log.Prefix}\"")
            + (log.Group is { } group ? FormattableString.Invariant($" group {group}") : "")
            + (log.Level is { } level && level != 4
                ? " level " + new[] { "emerg", "alert", "crit", "err", "warn", "notice", "info", "debug" }[Math.Min(level, 7)]
                : ""),
        RejectExpression reject => Reject(reject),
        MasqueradeExpression masquerade => "masquerade" + Flags(masquerade.Flags),
        RedirectExpression { Port: null } => "redirect",
        RedirectExpression redirect => $"redirect to :{Constant(redirect.Port.Value, NftType.Service)}",
        NatExpression nat => Nat(nat),
        MetaExpression { Sets: true } meta when NftField.Of(meta with { Sets = false }, null, null) is { } field =>
            $"{field.Name} set {Constant(meta.Register, field.Type)}",
        CtExpression { Sets: true } ct when NftField.Of(ct with { Sets = false }, null, null) is { } field =>
            $"{field.Name} set {Constant(ct.Register, field.Type)}",
        _ => NftSyntax.Statement(expression),
    };

    private static string OfFamily(NatExpression nat) => nat.Family == NftFamily.IPv6 ? " ip6" : " ip";

    private string Nat(NatExpression nat)
    {
        string family = rule.Family == NftFamily.Inet ? OfFamily(nat) : "";
        NftType type = nat.Family == NftFamily.IPv6 ? NftType.IPv6Address : NftType.IPv4Address;
        string prefix = nat.Flags.HasFlag(NftNatFlags.Prefix) ? " prefix" : "", verb = nat.IsSource ? "snat" : "dnat";
        if (nat.Address is { } address && _registers.TryGetValue(address.Index, out Content? content) && content.Constant is null)
            return $"{verb}{(nat.AddressEnd is null && nat.Port is null ? family : OfFamily(nat))}{prefix} to {content.Text}"
                + Flags(nat.Flags);
        string text = $"{verb}{(nat.Address is null ? "" : family)}{prefix} to ";
        if (nat.Address is { } start)
        {
            string host = Constant(start, type) + (nat.AddressEnd is { } end ? "-" + Constant(end, type) : "");
            text += nat.Family == NftFamily.IPv6 && nat.Port is not null ? $"[{host}]" : host;
        }

        if (nat.Port is { } port)
            text += ":" + Constant(port, NftType.Service) + (nat.PortEnd is { } last ? "-" + Constant(last, NftType.Service) : "");
        return text + Flags(nat.Flags);
    }

    private string Constant(NftRegister register, NftType type)
    {
        if (!_registers.TryGetValue(register.Index, out Content? content))
            return "?";
        return content.Constant is { } data ? type.Format(data) : content.Text;
    }

    private static string Flags(NftNatFlags flags)
    {
        string[] names = [.. new[] { (NftNatFlags.Random, "random"), (NftNatFlags.FullyRandom, "fully-random"),
            (NftNatFlags.Persistent, "persistent") }.Where(f => flags.HasFlag(f.Item1)).Select(f => f.Item2)];
        return names.Length == 0 ? "" : " " + string.Join(',', names);
    }

    private string Reject(RejectExpression reject)
    {
        // A reset is only for TCP, which therefore need not be said.
        if (reject.Rejection == NftRejection.TcpReset)
            return "reject with tcp reset";
        return reject.Rejection switch
        {
            NftRejection.PortUnreachable => "reject",
            NftRejection.AdminProhibited => "reject with icmpx admin-prohibited",
            NftRejection.HostUnreachable => "reject with icmpx host-unreachable",
            NftRejection.NoRoute => "reject with icmpx no-route",
            _ => FormattableString.Invariant(
                $"reject with {(rule.Family == NftFamily.IPv6 || _family == NftFamily.IPv6 ? "icmpv6" : "icmp")} {reject.Code}"),
        };
    }

    private static string Short(NftPayloadBase place) => place switch
    {
        NftPayloadBase.LinkLayer => "ll",
        NftPayloadBase.Network => "nh",
        _ => "th",
    };

    private static int? Prefix(NftData mask)
    {
        int length = 0;
        bool ended = false;
        foreach (byte part in mask.Bytes)
        {
            for (int bit = 7; bit >= 0; bit--)
            {
                bool set = (part >> bit & 1) != 0;
                if (set && ended)
                    return null;
                ended |= !set;
                length += set ? 1 : 0;
            }
        }

        return length;
    }
}
