using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>A set of values, or a map from values to others or to verdicts, which rules look packets up in.
/// <c>nft add set</c>, <c>nft add map</c>.</summary>
/// <example><code>
/// var allowed = new NftSet(table, "allowed", NftType.IPv4Address) { Interval = true };
/// batch.Add(allowed).Add(allowed.Elements("10.0.0.0/8", "192.0.2.7"));
/// var ports = new NftSet(table, "ports", NftType.Service) { Verdicts = true, Interval = true };
/// batch.Add(ports).Add(ports.Elements([ports.Element("0-1023", NftVerdict.Drop), ports.Element("*", NftVerdict.Accept)]));
/// </code></example>
public sealed partial record NftSet : NftObject
{
    private const uint VerdictDataType = 0xffffff00;
    // What nft(8) keeps with a set for itself: kinds of libnftnl, and its numbers for the orders of bytes.
    private const byte KeyByteOrder = 0, DataByteOrder = 1, MergeElements = 2, KeyTypeOf = 3, DataTypeOf = 4, DataInterval = 6,
        CommentOfSet = 7;
    private const uint HostOrder = 1, NetworkOrder = 2;

    /// <summary>Initialises a set.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="name">Its name.</param>
    /// <param name="keyTypes">What its keys are made up of; several for a concatenation.</param>
    public NftSet(NftTable table, string name, params IEnumerable<NftType> keyTypes)
        : this((table ?? throw new ArgumentNullException(nameof(table))).Family, table.Table, name, keyTypes)
    {
    }

    /// <summary>Initialises a set.</summary>
    public NftSet(NftFamily family, string table, string name, params IEnumerable<NftType> keyTypes)
        : base(family, table ?? throw new ArgumentNullException(nameof(table))) =>
            (Name, KeyTypes) = (name ?? throw new ArgumentNullException(nameof(name)), [.. keyTypes]);

    /// <summary>Its name.</summary>
    public string Name { get; init; }

    /// <summary>What its keys are made up of.</summary>
    public ImmutableArray<NftType> KeyTypes { get; init; }

    /// <summary>What its values are made up of, of a map; empty for a set.</summary>
    public ImmutableArray<NftType> DataTypes { get; init; } = [];

    /// <summary>Whether its values are verdicts: a verdict map.</summary>
    public bool Verdicts { get; init; }

    /// <summary>Whether its values may be ranges and networks, which <c>dnat</c> and <c>snat</c> choose from: <c>interval</c> before the
    /// data's type. Since nft 0.9.5.</summary>
    public bool IntervalData { get; init; }

    /// <summary>Whether its values are the names of counters, or of quotas; null where they are none.</summary>
    public NftStatefulKind? ObjectKind { get; init; }

    /// <summary>Whether keys may be ranges and networks: <c>flags interval</c>. Names of links may end with <c>*</c>.</summary>
    public bool Interval { get; init; }

    /// <summary>Whether nft(8) merges ranges that it adds with those that are there: <c>auto-merge</c>. Kept for it; this library merges
    /// none.</summary>
    public bool AutoMerge { get; init; }

    /// <summary>Whether its elements cannot be changed: <c>flags constant</c>.</summary>
    public bool Constant { get; init; }

    /// <summary>Whether rules may add elements: <c>flags dynamic</c>.</summary>
    public bool Dynamic { get; init; }

    /// <summary>Whether elements may have an end: <c>flags timeout</c>.</summary>
    public bool HasTimeouts { get; init; }

    /// <summary>When elements end that do not say so; null for never.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How often the kernel removes elements that have ended: <c>gc-interval</c>; null for its default.</summary>
    public TimeSpan? GarbageCollectionInterval { get; init; }

    /// <summary>What the kernel chooses its structure by: <c>policy</c>; null for its default.</summary>
    public NftSetPolicy? Policy { get; init; }

    /// <summary>What each element has of its own, such as a counter: <c>counter</c>. Several since Linux 5.11.</summary>
    public ImmutableArray<NftExpression> Expressions { get; init; } = [];

    /// <summary>How many elements it may have; null for any number.</summary>
    public uint? Size { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    /// <summary>Whether it belongs to one rule, and has its name from the kernel.</summary>
    public bool IsAnonymous { get; init; }

    /// <summary>Whether it is a map.</summary>
    public bool IsMap => Verdicts || ObjectKind is not null || !DataTypes.IsEmpty;

    /// <summary>What nft(8) keeps of <c>typeof</c> and has no property here: as it was read.</summary>
    internal NftData KeptUserData { get; init; }

    /// <summary>Its number within a batch.</summary>
    internal uint Id { get; init; }

    internal override string Noun => IsMap ? "map" : "set";

    internal override string Subject => $"\"{Name}\" of table {TableText}";

    internal override ushort NewType => NfTables.NFT_MSG_NEWSET;

    /// <summary>Compares by value, the types included.</summary>
    public bool Equals(NftSet? other) => base.Equals(other) && Name == other.Name
        && KeyTypes.AsSpan().SequenceEqual(other.KeyTypes.AsSpan()) && DataTypes.AsSpan().SequenceEqual(other.DataTypes.AsSpan())
        && (Verdicts, Interval, Constant, Dynamic, HasTimeouts, Timeout, Size, Comment, IsAnonymous) == (other.Verdicts, other.Interval,
            other.Constant, other.Dynamic, other.HasTimeouts, other.Timeout, other.Size, other.Comment, other.IsAnonymous)
        && (IntervalData, ObjectKind, AutoMerge, GarbageCollectionInterval, Policy, KeptUserData) == (other.IntervalData,
            other.ObjectKind, other.AutoMerge, other.GarbageCollectionInterval, other.Policy, other.KeptUserData)
        && Expressions.AsSpan().SequenceEqual(other.Expressions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Name, KeyTypes.Length, DataTypes.Length);

    /// <summary>Elements of this set, for a batch.</summary>
    /// <param name="keys">Values of the key's type; for a concatenation <see cref="NftValue.Concatenate"/>; <c>*</c> for all that no other
    /// element has, since Linux 5.13.</param>
    /// <exception cref="FormatException">A value is not of the type.</exception>
    public NftElements Elements(params IEnumerable<NftValue> keys) => new(this, [.. keys.Select(k => NftElement.Of(this, k))]);

    /// <summary>Elements of this set, for a batch.</summary>
    public NftElements Elements(IEnumerable<NftElement> elements) => new(this, [.. elements]);

    /// <summary>An element of this map.</summary>
    /// <param name="key">A value of the key's type; <c>*</c> for all that no other element has, since Linux 5.13.</param>
    /// <param name="value">A value of the data's type: a single one, unless the map has <see cref="IntervalData"/>. Of a map to counters or
    /// quotas, the name of one.</param>
    /// <exception cref="FormatException">A value is not of its type, or the map's value is a range or a network.</exception>
    public NftElement Element(NftValue key, NftValue value)
    {
        ArgumentNullException.ThrowIfNull(value);
        if (ObjectKind is not null)
            return NftElement.Of(this, key) with { Object = NftNames.Check(value.ToString()) };
        NftInterval interval = Encode(DataTypes, value, ordered: false);
        if (!interval.IsSingle && !IntervalData)
            throw new FormatException($"\"{value}\" is more than one value; an element of the map \"{Name}\" has a single one.");
        return NftElement.Of(this, key) with
        {
            Value = IntervalData ? new NftData([.. interval.From.Bytes, .. interval.To.Bytes]) : interval.From,
        };
    }

    /// <summary>An element of this verdict map.</summary>
    public NftElement Element(NftValue key, NftVerdict verdict) => NftElement.Of(this, key) with { Verdict = verdict };

    /// <summary>An element of this set.</summary>
    public NftElement Element(NftValue key) => NftElement.Of(this, key);

    internal override void WriteNew(NetlinkWriter writer)
    {
        if (!IsAnonymous)
            NftNames.Check(Name);
        if (KeyTypes.IsEmpty)
            throw new ArgumentException($"The set \"{Name}\" has no type.");
        bool concatenated = KeyTypes.Length > 1 && Interval;
        uint flags = (IsAnonymous ? NfTables.NFT_SET_ANONYMOUS : 0) | (Constant ? NfTables.NFT_SET_CONSTANT : 0)
            | (Interval ? NfTables.NFT_SET_INTERVAL : 0)
            | (ObjectKind is not null ? NfTables.NFT_SET_OBJECT : IsMap ? NfTables.NFT_SET_MAP : 0)
            | (HasTimeouts || Timeout is not null ? NfTables.NFT_SET_TIMEOUT : 0) | (Dynamic ? NfTables.NFT_SET_EVAL : 0)
            | (concatenated ? NfTables.NFT_SET_CONCAT : 0) | (Expressions.Length > 1 ? NfTables.NFT_SET_EXPR : 0);
        WriteDelete(writer);
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_FLAGS, flags);
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_KEY_TYPE, IdOf(KeyTypes));
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_KEY_LEN, (uint)LengthOf(KeyTypes));
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_ID, Id);
        WriteData(writer);
        if (Timeout is { } timeout)
            writer.PutBigEndianUInt64(NfTables.NFTA_SET_TIMEOUT, (ulong)timeout.TotalMilliseconds);
        if (GarbageCollectionInterval is { } collection)
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_GC_INTERVAL, (uint)collection.TotalMilliseconds);
        if (Policy is { } policy)
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_POLICY, (uint)policy);
        if (Size is not null || concatenated)
            WriteDescription(writer, concatenated);
        writer.Put(NfTables.NFTA_SET_USERDATA, UserData());
        if (Expressions is [{ } only])
            NftExpression.WriteOne(writer, NfTables.NFTA_SET_EXPR, only);
        else if (!Expressions.IsEmpty)
            NftExpression.WriteAll(writer, NfTables.NFTA_SET_EXPRESSIONS, Expressions);
    }

    private void WriteData(NetlinkWriter writer)
    {
        if (ObjectKind is { } kind)
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_OBJ_TYPE, (uint)kind);
        else if (IsMap)
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_DATA_TYPE, Verdicts ? VerdictDataType : IdOf(DataTypes));
        if (!DataTypes.IsEmpty)
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_DATA_LEN, (uint)LengthOf(DataTypes) * (IntervalData ? 2u : 1));
    }

    // Without these nft(8) reads keys in the machine's order, and names, from the wrong end.
    private byte[] UserData()
    {
        byte[]? typeOf = KeyTypes[0].TypeOf;
        if ((KeyTypes.Length > 1 || (IsMap && !IsAnonymous)) && KeyTypes.Any(t => t.TypeOf is not null))
            throw new ArgumentException($"The {Noun} \"{Name}\" has keys of the type {string.Join(" . ", KeyTypes)}: "
                + "nft(8) reads integers only as the keys of a set, and alone.");
        return
        [
            .. NftUserData.Of(KeyByteOrder, OrderOf(KeyTypes)),
            .. !DataTypes.IsEmpty ? NftUserData.Of(DataByteOrder, OrderOf(DataTypes)) : [],
            .. AutoMerge ? NftUserData.Of(MergeElements, NftData.Host(1).Bytes) : [],
            .. IntervalData ? NftUserData.Of(DataInterval, NftData.Host(1).Bytes) : [],
            .. typeOf is null ? KeptUserData.Bytes : NftUserData.Of(KeyTypeOf, typeOf),
            .. Comment is null ? [] : NftUserData.OfComment(Comment, CommentOfSet),
        ];
    }

    private static ReadOnlySpan<byte> OrderOf(ImmutableArray<NftType> types) =>
        types is [{ IsKeptAsIs: true }] ? NftData.Host(HostOrder).Bytes : NftData.Host(NetworkOrder).Bytes;

    internal override void WriteDelete(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_SET_TABLE, Table);
        writer.PutText(NfTables.NFTA_SET_NAME, Name);
    }

    internal static int Padded(int length) => (length + 3) & ~3;

    /// <summary>A value of one type, or of several, each padded to 4 bytes.</summary>
    /// <param name="types">The types.</param>
    /// <param name="value">The value.</param>
    /// <param name="ordered">Whether it is a key of a set of intervals, whose keys are less or more than others:
    /// see <see cref="NftType.Encode"/>.</param>
    internal static NftInterval Encode(ImmutableArray<NftType> types, NftValue value, bool ordered)
    {
        if (types.Length == 1)
            return types[0].Encode(value, ordered);
        if (value.Content is not ImmutableArray<NftValue> parts || parts.Length != types.Length)
            throw new FormatException(
                $"\"{value}\" is not a value of the type {string.Join(" . ", types)}: it needs {types.Length} parts.");
        var from = new List<byte>();
        var to = new List<byte>();
        for (int i = 0; i < parts.Length; i++)
        {
            NftInterval part = types[i].Encode(parts[i], ordered);
            from.AddRange([.. part.From.Bytes, .. new byte[Padded(types[i].Length) - types[i].Length]]);
            to.AddRange([.. part.To.Bytes, .. new byte[Padded(types[i].Length) - types[i].Length]]);
        }

        return new NftInterval(new NftData([.. from]), new NftData([.. to]));
    }

    internal static string Format(ImmutableArray<NftType> types, NftInterval interval, bool ordered)
    {
        if (types.Length == 1)
            return types[0].Format(interval, ordered);
        var parts = new List<string>();
        int at = 0;
        foreach (NftType type in types)
        {
            if (at + type.Length > interval.From.Length || at + type.Length > interval.To.Length)
                return interval.From.ToString();
            var part = new NftInterval(new NftData(interval.From.Bytes.Slice(at, type.Length)),
                new NftData(interval.To.Bytes.Slice(at, type.Length)));
            parts.Add(type.Format(part, ordered));
            at += Padded(type.Length);
        }

        return string.Join(" . ", parts);
    }

    private static int LengthOf(ImmutableArray<NftType> types) => types.Length == 1 ? types[0].Length : types.Sum(t => Padded(t.Length));

    // Several types are put into one number, of 6 bits each, as nft(8) does.
    private static uint IdOf(ImmutableArray<NftType> types) => types.Length <= 5 ? types.Aggregate(0u, (id, type) => id << 6 | type.Id)
        : throw new ArgumentException($"A key may be made up of 5 types; this one has {types.Length}.");

    private void WriteDescription(NetlinkWriter writer, bool concatenated)
    {
        using (writer.Nested(NfTables.NFTA_SET_DESC))
        {
            if (Size is { } size)
                writer.PutBigEndianUInt32(NfTables.NFTA_SET_DESC_SIZE, size);
            if (!concatenated)
                return;
            using (writer.Nested(NfTables.NFTA_SET_DESC_CONCAT))
            {
                foreach (NftType type in KeyTypes)
                {
                    using (writer.Nested(NfTables.NFTA_LIST_ELEM))
                        writer.PutBigEndianUInt32(NfTables.NFTA_SET_FIELD_LEN, (uint)type.Length);
                }
            }
        }
    }
}
