using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>A set of values, or a map from values to others or to verdicts, which rules look packets up in. <c>nft add set</c>, <c>nft add map</c>.</summary>
/// <example><code>
/// var allowed = new NftSet(table, "allowed", NftType.IPv4Address) { Interval = true };
/// batch.Add(allowed).Add(allowed.Elements("10.0.0.0/8", "192.0.2.7"));
/// var ports = new NftSet(table, "ports", NftType.Service) { DataType = null, Verdicts = true };
/// </code></example>
public sealed record NftSet : NftObject
{
    private const uint VerdictDataType = 0xffffff00;
    private const byte CommentOfSet = 7;

    /// <summary>Initialises a set.</summary>
    /// <param name="table">Its table.</param>
    /// <param name="name">Its name.</param>
    /// <param name="keyTypes">What its keys are made up of; several for a concatenation.</param>
    public NftSet(NftTable table, string name, params IEnumerable<NftType> keyTypes) : this((table ?? throw new ArgumentNullException(nameof(table))).Family, table.Table, name, keyTypes)
    {
    }

    /// <summary>Initialises a set.</summary>
    public NftSet(NftFamily family, string table, string name, params IEnumerable<NftType> keyTypes) : base(family, table ?? throw new ArgumentNullException(nameof(table))) =>
        (Name, KeyTypes) = (name ?? throw new ArgumentNullException(nameof(name)), [.. keyTypes]);

    /// <summary>Its name.</summary>
    public string Name { get; init; }

    /// <summary>What its keys are made up of.</summary>
    public ImmutableArray<NftType> KeyTypes { get; init; }

    /// <summary>What its values are made up of, of a map; empty for a set.</summary>
    public ImmutableArray<NftType> DataTypes { get; init; } = [];

    /// <summary>Whether its values are verdicts: a verdict map.</summary>
    public bool Verdicts { get; init; }

    /// <summary>Whether keys may be ranges and networks: <c>flags interval</c>.</summary>
    public bool Interval { get; init; }

    /// <summary>Whether its elements cannot be changed: <c>flags constant</c>.</summary>
    public bool Constant { get; init; }

    /// <summary>Whether rules may add elements: <c>flags dynamic</c>.</summary>
    public bool Dynamic { get; init; }

    /// <summary>Whether elements may have an end: <c>flags timeout</c>.</summary>
    public bool HasTimeouts { get; init; }

    /// <summary>When elements end that do not say so; null for never.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How many elements it may have; null for any number.</summary>
    public uint? Size { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    /// <summary>Whether it belongs to one rule, and has its name from the kernel.</summary>
    public bool IsAnonymous { get; init; }

    /// <summary>Whether it is a map.</summary>
    public bool IsMap => Verdicts || !DataTypes.IsEmpty;

    /// <summary>Its number within a batch.</summary>
    internal uint Id { get; init; }

    internal override string Noun => IsMap ? "map" : "set";

    internal override string Subject => $"\"{Name}\" of table {TableText}";

    internal override ushort NewType => NfTables.NFT_MSG_NEWSET;

    /// <summary>Compares by value, the types included.</summary>
    public bool Equals(NftSet? other) => base.Equals(other) && Name == other.Name && KeyTypes.AsSpan().SequenceEqual(other.KeyTypes.AsSpan()) && DataTypes.AsSpan().SequenceEqual(other.DataTypes.AsSpan())
        && (Verdicts, Interval, Constant, Dynamic, HasTimeouts, Timeout, Size, Comment, IsAnonymous) == (other.Verdicts, other.Interval, other.Constant, other.Dynamic, other.HasTimeouts, other.Timeout, other.Size, other.Comment, other.IsAnonymous);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Name, KeyTypes.Length, DataTypes.Length);

    /// <summary>Elements of this set, for a batch.</summary>
    /// <param name="keys">Values of the key's type; for a concatenation <see cref="NftValue.Concatenate"/>.</param>
    /// <exception cref="FormatException">A value is not of the type.</exception>
    public NftElements Elements(params IEnumerable<NftValue> keys) => new(this, [.. keys.Select(k => NftElement.Of(this, k))]);

    /// <summary>Elements of this set, for a batch.</summary>
    public NftElements Elements(IEnumerable<NftElement> elements) => new(this, [.. elements]);

    /// <summary>An element of this map.</summary>
    /// <param name="key">A value of the key's type.</param>
    /// <param name="value">A value of the data's type.</param>
    public NftElement Element(NftValue key, NftValue value) => NftElement.Of(this, key) with { Value = Encode(DataTypes, value).From };

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
        uint flags = (IsAnonymous ? NfTables.NFT_SET_ANONYMOUS : 0) | (Constant ? NfTables.NFT_SET_CONSTANT : 0) | (Interval ? NfTables.NFT_SET_INTERVAL : 0) | (IsMap ? NfTables.NFT_SET_MAP : 0)
            | (HasTimeouts || Timeout is not null ? NfTables.NFT_SET_TIMEOUT : 0) | (Dynamic ? NfTables.NFT_SET_EVAL : 0) | (concatenated ? NfTables.NFT_SET_CONCAT : 0);
        WriteDelete(writer);
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_FLAGS, flags);
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_KEY_TYPE, IdOf(KeyTypes));
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_KEY_LEN, (uint)LengthOf(KeyTypes));
        writer.PutBigEndianUInt32(NfTables.NFTA_SET_ID, Id);
        if (IsMap)
        {
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_DATA_TYPE, Verdicts ? VerdictDataType : IdOf(DataTypes));
            if (!Verdicts)
                writer.PutBigEndianUInt32(NfTables.NFTA_SET_DATA_LEN, (uint)LengthOf(DataTypes));
        }

        if (Timeout is { } timeout)
            writer.PutBigEndianUInt64(NfTables.NFTA_SET_TIMEOUT, (ulong)timeout.TotalMilliseconds);
        if (Size is not null || concatenated)
            WriteDescription(writer, concatenated);
        NftUserData.PutComment(writer, NfTables.NFTA_SET_USERDATA, Comment, CommentOfSet);
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_SET_TABLE, Table);
        writer.PutText(NfTables.NFTA_SET_NAME, Name);
    }

    internal static NftSet Read(NftFamily family, AttributeReader reader)
    {
        string table = "", name = "";
        string? comment = null;
        uint flags = 0, keyType = 0, keyLength = 0, dataType = 0, dataLength = 0;
        uint? size = null;
        ulong handle = 0;
        TimeSpan timeout = TimeSpan.Zero;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_SET_TABLE:
                    table = reader.Text;
                    break;
                case NfTables.NFTA_SET_NAME:
                    name = reader.Text;
                    break;
                case NfTables.NFTA_SET_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_KEY_TYPE:
                    keyType = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_KEY_LEN:
                    keyLength = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_DATA_TYPE:
                    dataType = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_DATA_LEN:
                    dataLength = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SET_TIMEOUT:
                    timeout = reader.BigEndianMilliseconds;
                    break;
                case NfTables.NFTA_SET_HANDLE:
                    handle = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_SET_DESC:
                    size = ReadSize(reader.Nested);
                    break;
                case NfTables.NFTA_SET_USERDATA:
                    comment = NftUserData.ReadComment(reader.Value, CommentOfSet);
                    break;
            }
        }

        bool map = (flags & NfTables.NFT_SET_MAP) != 0;
        return new NftSet(family, table, name, TypesOf(keyType, keyLength))
        {
            Handle = handle,
            DataTypes = map && dataType != VerdictDataType ? TypesOf(dataType, dataLength) : [],
            Verdicts = map && dataType == VerdictDataType,
            Interval = (flags & NfTables.NFT_SET_INTERVAL) != 0,
            Constant = (flags & NfTables.NFT_SET_CONSTANT) != 0,
            Dynamic = (flags & NfTables.NFT_SET_EVAL) != 0,
            IsAnonymous = (flags & NfTables.NFT_SET_ANONYMOUS) != 0,
            HasTimeouts = (flags & NfTables.NFT_SET_TIMEOUT) != 0,
            Timeout = timeout == TimeSpan.Zero ? null : timeout,
            Size = size,
            Comment = comment,
        };
    }

    internal static int Padded(int length) => (length + 3) & ~3;

    /// <summary>A value of one type, or of several, each padded to 4 bytes.</summary>
    internal static NftInterval Encode(ImmutableArray<NftType> types, NftValue value)
    {
        if (types.Length == 1)
            return types[0].Encode(value);
        if (value.Content is not ImmutableArray<NftValue> parts || parts.Length != types.Length)
            throw new FormatException($"\"{value}\" is not a value of the type {string.Join(" . ", types)}: it needs {types.Length} parts.");
        var from = new List<byte>();
        var to = new List<byte>();
        for (int i = 0; i < parts.Length; i++)
        {
            NftInterval part = types[i].Encode(parts[i]);
            from.AddRange([.. part.From.Bytes, .. new byte[Padded(types[i].Length) - types[i].Length]]);
            to.AddRange([.. part.To.Bytes, .. new byte[Padded(types[i].Length) - types[i].Length]]);
        }

        return new NftInterval(new NftData([.. from]), new NftData([.. to]));
    }

    internal static string Format(ImmutableArray<NftType> types, NftInterval interval)
    {
        if (types.Length == 1)
            return types[0].Format(interval);
        var parts = new List<string>();
        int at = 0;
        foreach (NftType type in types)
        {
            if (at + type.Length > interval.From.Length || at + type.Length > interval.To.Length)
                return interval.From.ToString();
            parts.Add(type.Format(new NftInterval(new NftData(interval.From.Bytes.Slice(at, type.Length)), new NftData(interval.To.Bytes.Slice(at, type.Length)))));
            at += Padded(type.Length);
        }

        return string.Join(" . ", parts);
    }

    private static int LengthOf(ImmutableArray<NftType> types) => types.Length == 1 ? types[0].Length : types.Sum(t => Padded(t.Length));

    // Several types are put into one number, of 6 bits each, as nft(8) does.
    private static uint IdOf(ImmutableArray<NftType> types) => types.Length <= 5 ? types.Aggregate(0u, (id, type) => id << 6 | type.Id)
        : throw new ArgumentException($"A key may be made up of 5 types; this one has {types.Length}.");

    private static ImmutableArray<NftType> TypesOf(uint id, uint length)
    {
        var types = new Stack<NftType>();
        for (uint rest = id; rest != 0; rest >>= 6)
            types.Push(NftType.OfId(rest & 0x3f, (int)Math.Min(length, 64)));
        return types.Count == 0 ? [NftType.Integer((int)Math.Min(length, 64))] : [.. types];
    }

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

    private static uint? ReadSize(AttributeReader reader)
    {
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_SET_DESC_SIZE)
                return reader.BigEndianUInt32;
        }

        return null;
    }
}
