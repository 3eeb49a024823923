using System.Collections.Immutable;
using System.Net;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

public sealed partial record NftRule
{
    private static readonly NftRegister s_first = NftRegister.First;

    /// <summary>The type of a link with Ethernet's headers, ARPHRD_ETHER, as the kernel has it.</summary>
    internal static NftData Ethernet { get; } = new([1, 0]);

    /// <summary>Adds any steps.</summary>
    public NftRule Add(params IEnumerable<NftExpression> expressions) => this with { Expressions = [.. Expressions, .. expressions] };

    /// <summary>Goes on only where a field has a value, or one of a range or network.</summary>
    /// <param name="field">The field.</param>
    /// <param name="value">The value, of the field's type. A link's name may end with <c>*</c>.</param>
    /// <param name="comparison">How they are compared; of flags, equal means that any of them is set.</param>
    /// <exception cref="FormatException">The value is not of the field's type.</exception>
    public NftRule Match(NftField field, NftValue value, NftOperator comparison = NftOperator.Equal)
    {
        ArgumentNullException.ThrowIfNull(field);
        ArgumentNullException.ThrowIfNull(value);
        NftRule rule = WithDependencies(field).Add(field.Load(s_first));
        if (ReferenceEquals(field.Type, NftType.LinkName) && value.Content is string name && name.EndsWith('*'))
            return rule.Add(new CmpExpression(s_first, comparison, new NftData(Encoding.UTF8.GetBytes(name[..^1]))));
        NftInterval interval = field.Type.Encode(value);
        if (field.Type.IsBits && comparison is (NftOperator.Equal or NftOperator.NotEqual))
        {
            NftOperator any = comparison == NftOperator.Equal ? NftOperator.NotEqual : NftOperator.Equal;
            return rule.Add(new BitwiseExpression(s_first, s_first, interval.From, NftData.Host(0)),
                new CmpExpression(s_first, any, NftData.Host(0)));
        }

        bool equality = comparison is NftOperator.Equal or NftOperator.NotEqual;
        if (interval.IsSingle)
        {
            return equality ? rule.Add(new CmpExpression(s_first, comparison, interval.From))
                : rule.Add(Ordered(field.Type, s_first))
                    .Add(new CmpExpression(s_first, comparison, field.Type.Encode(value, ordered: true).From));
        }

        if (!equality)
            throw new ArgumentException($"\"{value}\" is more than one value, and can only be equal or not.", nameof(comparison));
        if (field.Type.HasPrefixes && interval.PrefixLength is { } length)
            return rule.Add(new BitwiseExpression(s_first, s_first, Mask(interval.From.Length, length),
                new NftData(new byte[interval.From.Length])), new CmpExpression(s_first, comparison, interval.From));
        interval = field.Type.Encode(value, ordered: true);
        return rule.Add(Ordered(field.Type, s_first))
            .Add(new RangeExpression(s_first, interval.From, interval.To, comparison == NftOperator.NotEqual));
    }

    /// <summary>Goes on only where a field has one of several values.</summary>
    /// <param name="field">The field.</param>
    /// <param name="values">The values, ranges and networks, which do not overlap; of flags, any that is set is enough.</param>
    /// <exception cref="FormatException">A value is not of the field's type.</exception>
    public NftRule MatchAny(NftField field, params IEnumerable<NftValue> values)
    {
        ArgumentNullException.ThrowIfNull(field);
        ImmutableArray<NftValue> all = [.. values];
        // A connection has several flags at once, so that no element of a set would be what it has: any of the flags is what is asked for.
        if (field.Type.IsBits && all.FirstOrDefault(v => !field.Type.Encode(v).IsSingle) is { } several)
            throw new FormatException($"\"{several}\" is a range, which flags have none of.");
        if (field.Type.IsBits && !all.IsEmpty)
            return Match(field, (long)all.Aggregate(0UL, (bits, v) => bits | field.Type.Encode(v, ordered: true).From.ToNetworkNumber()));
        bool ranges = all.Any(v => !v.IsCatchAll && !field.Type.Encode(v).IsSingle);
        uint id = (uint)AnonymousSets.Length + 1;
        var set = new NftSet(Family, Table, "__set%d", field.Type) { IsAnonymous = true, Constant = true, Interval = ranges, Id = id };
        NftRule rule = WithDependencies(field).Add(field.Load(s_first)).Add(ranges ? Ordered(field.Type, s_first) : [])
            .Add(new LookupExpression(set.Name, s_first) { SetId = id });
        return rule with { AnonymousSets = [.. AnonymousSets, set.Elements(all)] };
    }

    /// <summary>Goes on only for packets of sockets that processes of a control group, or of groups below it, have made:
    /// <c>socket cgroupv2</c>. Since Linux 5.13.</summary>
    /// <param name="directory">The control group's directory, in a mount of version 2; a path below /sys/fs/cgroup where it does not begin
    /// with a slash. Its number is taken now: a group that is made again by the same name is another one.</param>
    /// <param name="comparison">Equal, or not. A process in a group nearer to the root than this one is
    /// neither: the rule does not hold for it.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such directory.</exception>
    /// <exception cref="ArgumentException">It is no control group of version 2, or the root of all.</exception>
    public NftRule MatchCgroup(string directory, NftOperator comparison = NftOperator.Equal)
    {
        ArgumentException.ThrowIfNullOrEmpty(directory);
        string path = NftCgroups.FullPath(directory);
        NftCgroups.TryNumber(path, out ulong number).ThrowIfError("match", $"control group \"{path}\"", "openat(2)");
        int level = NftCgroups.LevelOf(path);
        if (level < 1)
            throw new ArgumentException(level < 0
                ? $"\"{path}\" is no control group of version 2: such a directory has a file cgroup.controllers."
                : $"\"{path}\" is the root of the control groups, which holds everything: no match is needed.", nameof(directory));
        return Match(NftField.SocketCgroup(level), (long)number, comparison);
    }

    /// <summary>Goes on only where the values of fields are in a set, or not in it.</summary>
    /// <param name="set">The set, whose key is of the fields' types.</param>
    /// <param name="fields">The fields, in the key's order.</param>
    public NftRule MatchSet(NftSet set, params IEnumerable<NftField> fields) => Look(set, inverted: false, null, fields);

    /// <summary>Goes on only where the values of fields are not in a set.</summary>
    public NftRule MatchNotInSet(NftSet set, params IEnumerable<NftField> fields) => Look(set, inverted: true, null, fields);

    /// <summary>Does what a verdict map has for the values of fields: <c>vmap</c>.</summary>
    public NftRule VerdictMap(NftSet map, params IEnumerable<NftField> fields) => Look(map, inverted: false, NftRegister.Verdict, fields);

    /// <summary>Counts what comes here.</summary>
    public NftRule Counter() => Add(new CounterExpression());

    /// <summary>Counts what comes here in a counter, or against a quota, that has a name.</summary>
    public NftRule Use(NftStateful state) =>
        Add(new ObjectExpression((state ?? throw new ArgumentNullException(nameof(state))).State is CounterExpression
            ? NfTables.NFT_OBJECT_COUNTER
            : NfTables.NFT_OBJECT_QUOTA, state.Name));

    /// <summary>Lets only so many packets in a time go on.</summary>
    /// <param name="packets">How many.</param>
    /// <param name="unit">In which time: a second, minute, hour, day or week.</param>
    /// <param name="burst">How many more at once.</param>
    /// <param name="over">Whether what is above goes on instead.</param>
    public NftRule Limit(ulong packets, TimeSpan unit, uint burst = 5, bool over = false) =>
        Add(new LimitExpression(packets, Unit(unit), burst, OfBytes: false, over));

    /// <summary>Lets only so many bytes in a time go on.</summary>
    public NftRule LimitBytes(ulong bytes, TimeSpan unit, uint burst = 0, bool over = false) =>
        Add(new LimitExpression(bytes, Unit(unit), burst, OfBytes: true, over));

    /// <summary>Lets only so many bytes in all go on, or what is above.</summary>
    public NftRule Quota(ulong bytes, bool over = false) => Add(new QuotaExpression(bytes, over));

    /// <summary>Logs what comes here.</summary>
    /// <param name="prefix">What the line begins with.</param>
    /// <param name="group">The group of nfnetlink_log; null for the kernel's log.</param>
    public NftRule Log(string? prefix = null, ushort? group = null) => Add(new LogExpression(prefix, Group: group));

    /// <summary>Lets it pass this hook.</summary>
    public NftRule Accept() => Decide(NftVerdict.Accept);

    /// <summary>Drops it.</summary>
    public NftRule Drop() => Decide(NftVerdict.Drop);

    /// <summary>Gives a verdict.</summary>
    public NftRule Decide(NftVerdict verdict) => Add(new ImmediateExpression(NftRegister.Verdict, Verdict: verdict));

    /// <summary>Refuses it, so that the sender knows.</summary>
    public NftRule Reject(NftRejection rejection = NftRejection.PortUnreachable)
    {
        NftRule rule = rejection == NftRejection.TcpReset ? RequireTransport(6) : this;
        return rule.Add(RejectExpression.Of(rejection));
    }

    /// <summary>Sends its connection to another address, or port, or both.</summary>
    public NftRule Dnat(IPAddress? address, ushort? port = null) => Nat(isSource: false, address, port);

    /// <summary>Lets its connection seem to come from another address.</summary>
    public NftRule Snat(IPAddress? address, ushort? port = null) => Nat(isSource: true, address, port);

    /// <summary>Sends its connection to the address, and port, that a map has for the values of fields.</summary>
    /// <param name="map">A map to an address, or an address and a port: <c>ipv4_addr . inet_service</c>. With
    /// <see cref="NftSet.IntervalData"/> the kernel chooses from the range.</param>
    /// <param name="fields">The fields, in the key's order.</param>
    public NftRule DnatMap(NftSet map, params IEnumerable<NftField> fields) => NatMap(isSource: false, map, fields);

    /// <summary>Lets its connection seem to come from the address, and port, that a map has for the values of fields.</summary>
    /// <param name="map">A map as for <see cref="DnatMap"/>.</param>
    /// <param name="fields">The fields, in the key's order.</param>
    public NftRule SnatMap(NftSet map, params IEnumerable<NftField> fields) => NatMap(isSource: true, map, fields);

    private NftRule NatMap(bool isSource, NftSet map, IEnumerable<NftField> fields)
    {
        NftRule rule = Look(map, inverted: false, s_first, fields);
        bool v6 = ReferenceEquals(map.DataTypes[0], NftType.IPv6Address), ports = map.DataTypes.Length > 1;
        int port = v6 ? 4 : 1, end = ports ? port + 1 : port;
        return rule.Add(new NatExpression(isSource, v6 ? NftFamily.IPv6 : NftFamily.IPv4, s_first, ports ? NftRegister.Word(port) : null)
        {
            AddressEnd = map.IntervalData ? NftRegister.Word(end) : null,
            PortEnd = map.IntervalData && ports ? NftRegister.Word(end + port) : null,
        });
    }

    /// <summary>Lets its connection seem to come from the address of the link that it leaves by.</summary>
    public NftRule Masquerade(NftNatFlags flags = NftNatFlags.None) => Add(new MasqueradeExpression(flags));

    /// <summary>Sends its connection to this host itself.</summary>
    /// <param name="port">The port; null to leave it.</param>
    public NftRule Redirect(ushort? port = null) => port is { } number
        ? Add(new ImmediateExpression(s_first, NftData.Network(number, 2)), new RedirectExpression(s_first))
        : Add(new RedirectExpression());

    /// <summary>Marks the packet.</summary>
    public NftRule SetMark(uint mark) =>
        Add(new ImmediateExpression(s_first, NftData.Host(mark)), new MetaExpression(NfTables.NFT_META_MARK, s_first, Sets: true));

    /// <summary>Adds a comment.</summary>
    public NftRule WithComment(string comment) => this with { Comment = comment };

    private NftRule Nat(bool isSource, IPAddress? address, ushort? port)
    {
        if (address is null && port is null)
            throw new ArgumentException("An address or a port is needed.", nameof(address));
        NftRule rule = this;
        NftFamily family = Family == NftFamily.IPv6 || (address is not null && NetlinkWriter.LengthOf(address) == 16)
            ? NftFamily.IPv6
            : NftFamily.IPv4;
        if (address is not null)
            rule = rule.Add(new ImmediateExpression(s_first, new NftData(address.GetAddressBytes())));

        if (port is { } number)
            rule = rule.Add(new ImmediateExpression(new NftRegister(NfTables.NFT_REG_2), NftData.Network(number, 2)));
        return rule.Add(new NatExpression(isSource, family, address is null ? null : s_first,
            port is null ? null : new NftRegister(NfTables.NFT_REG_2)));
    }

    private NftRule Look(NftSet set, bool inverted, NftRegister? destination, IEnumerable<NftField> fields)
    {
        ArgumentNullException.ThrowIfNull(set);
        NftRule rule = this;
        ImmutableArray<NftField> keys = [.. fields];
        if (keys.Length != set.KeyTypes.Length || keys.Zip(set.KeyTypes).Any(p => p.First.Type.Id != p.Second.Id))
            throw new ArgumentException($"The {set.Noun} \"{set.Name}\" has keys of the type {string.Join(" . ", set.KeyTypes)}; "
                + $"the fields are of {string.Join(" . ", keys.Select(k => k.Type))}.");
        foreach (NftField field in keys)
            rule = rule.WithDependencies(field);
        int word = 0;
        foreach (NftField field in keys)
        {
            NftRegister register = keys.Length == 1 ? s_first : NftRegister.Word(word);
            rule = rule.Add(field.Load(register)).Add(set.Interval ? Ordered(field.Type, register) : []);
            word += NftSet.Padded(field.Type.Length) / 4;
        }

        return rule.Add(new LookupExpression(set.Name, keys.Length == 1 ? s_first : NftRegister.Word(0), destination, inverted));
    }

    // Registers are compared byte by byte: what is less or more can only be told with the most significant byte first.
    private static NftExpression[] Ordered(NftType type, NftRegister register) =>
        type.IsHostOrder ? [new ByteorderExpression(register, register, type.Length, type.Length)] : [];

    private NftRule WithDependencies(NftField field)
    {
        NftRule rule = this;
        // Others have no such header, or another: a bridge's packets always have it.
        if (field.IsOfEthernet && Family != NftFamily.Bridge)
            rule = rule.Require(new MetaExpression(NfTables.NFT_META_IIFTYPE, s_first), Ethernet);
        if (field.Family is { } family)
            rule = rule.RequireFamily(family);
        return field.Transport is { } transport ? rule.RequireTransport(transport) : rule;
    }

    private NftRule RequireFamily(NftFamily family)
    {
        if (Family == family)
            return this;
        if (Family is NftFamily.IPv4 or NftFamily.IPv6 or NftFamily.Arp)
            throw new ArgumentException($"A table of the family {NftNames.Of(Family)} sees no packets of {NftNames.Of(family)}.");
        return Family == NftFamily.Inet
            ? Require(new MetaExpression(NfTables.NFT_META_NFPROTO, s_first), new NftData([(byte)family]))
            : Require(new MetaExpression(NfTables.NFT_META_PROTOCOL, s_first),
                NftData.Network(family == NftFamily.IPv4 ? 0x0800u : 0x86dd, 2));
    }

    private NftRule RequireTransport(byte protocol) =>
        Require(new MetaExpression(NfTables.NFT_META_L4PROTO, s_first), new NftData([protocol]));

    private NftRule Require(NftExpression load, NftData value)
    {
        var comparison = new CmpExpression(s_first, NftOperator.Equal, value);
        for (int i = 0; i + 1 < Expressions.Length; i++)
        {
            if (Expressions[i].Equals(load) && Expressions[i + 1].Equals(comparison))
                return this;
        }

        return Add(load, comparison);
    }

    private static ulong Unit(TimeSpan unit) => unit.TotalSeconds is 1 or 60 or 3600 or 86400 or 604800 ? (ulong)unit.TotalSeconds
        : throw new ArgumentException($"A rate is per second, minute, hour, day or week, not per {unit}.", nameof(unit));

    private static NftData Mask(int length, int prefix)
    {
        var mask = new byte[length];
        for (int bit = 0; bit < prefix; bit++)
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        return new NftData(mask);
    }
}
