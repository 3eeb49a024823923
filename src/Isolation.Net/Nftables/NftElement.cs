using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>An element of a set or map.</summary>
/// <param name="Key">Its key, or the first of a range.</param>
public sealed record NftElement(NftData Key)
{
    /// <summary>The last key of a range; null for a single one.</summary>
    public NftData? KeyEnd { get; init; }

    /// <summary>Its value, in a map.</summary>
    public NftData? Value { get; init; }

    /// <summary>Its verdict, in a verdict map.</summary>
    public NftVerdict? Verdict { get; init; }

    /// <summary>How long it is there; null for as long as the set says.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How long it is still there, as read.</summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    internal NftInterval Interval => new(Key, KeyEnd ?? Key);

    internal static NftElement Of(NftSet set, NftValue key)
    {
        NftInterval interval = NftSet.Encode(set.KeyTypes, key);
        if (!interval.IsSingle && !set.Interval)
            throw new FormatException($"\"{key}\" is more than one value; the set \"{set.Name}\" has none but single ones, without the flag interval.");
        return new NftElement(interval.From) { KeyEnd = interval.IsSingle ? null : interval.To };
    }

    /// <summary>The element as nft(8) writes it.</summary>
    internal string Format(NftSet set)
    {
        string text = NftSet.Format(set.KeyTypes, Interval);
        if (Timeout is { } timeout)
            text += $" timeout {NftSyntax.Time(timeout)}";
        if (Expires is { } expires)
            text += $" expires {NftSyntax.Time(expires)}";
        if (Comment is not null)
            text += $" comment \"{Comment}\"";
        return Verdict is not null ? $"{text} : {Verdict}" : Value is { } value ? $"{text} : {NftSet.Format(set.DataTypes, new NftInterval(value, value))}" : text;
    }

    internal void Write(NetlinkWriter writer, NftSet set)
    {
        bool twoElements = set is { Interval: true, KeyTypes.Length: 1 };
        using (writer.Nested(NfTables.NFTA_LIST_ELEM))
        {
            PutKey(writer, NfTables.NFTA_SET_ELEM_KEY, Key);
            if (set is { Interval: true, KeyTypes.Length: > 1 })
                PutKey(writer, NfTables.NFTA_SET_ELEM_KEY_END, KeyEnd ?? Key);
            WriteValue(writer);
            if (Timeout is { } timeout)
                writer.PutBigEndianUInt64(NfTables.NFTA_SET_ELEM_TIMEOUT, (ulong)timeout.TotalMilliseconds);
            NftUserData.PutComment(writer, NfTables.NFTA_SET_ELEM_USERDATA, Comment);
        }

        // A range is two elements: where it begins, and the first that is no longer in it.
        if (!twoElements || (KeyEnd ?? Key).Next() is not { } end)
            return;
        using (writer.Nested(NfTables.NFTA_LIST_ELEM))
        {
            PutKey(writer, NfTables.NFTA_SET_ELEM_KEY, end);
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_ELEM_FLAGS, NfTables.NFT_SET_ELEM_INTERVAL_END);
        }
    }

    /// <summary>Reads the elements of one message; those of ranges are still apart.</summary>
    internal static void Read(AttributeReader list, List<(NftElement Element, bool IsEnd)> elements)
    {
        while (list.MoveNext())
        {
            NftData key = default;
            var element = new NftElement(key);
            uint flags = 0;
            AttributeReader reader = list.Nested;
            while (reader.MoveNext())
            {
                switch (reader.Type)
                {
                    case NfTables.NFTA_SET_ELEM_KEY:
                        element = element with { Key = ImmediateExpression.ReadEither(reader.Nested).Value };
                        break;
                    case NfTables.NFTA_SET_ELEM_KEY_END:
                        element = element with { KeyEnd = ImmediateExpression.ReadEither(reader.Nested).Value };
                        break;
                    case NfTables.NFTA_SET_ELEM_DATA:
                        (NftData value, NftVerdict? verdict) = ImmediateExpression.ReadEither(reader.Nested);
                        element = element with { Value = verdict is null ? value : null, Verdict = verdict };
                        break;
                    case NfTables.NFTA_SET_ELEM_TIMEOUT:
                        element = element with { Timeout = reader.BigEndianMilliseconds };
                        break;
                    case NfTables.NFTA_SET_ELEM_EXPIRATION:
                        element = element with { Expires = reader.BigEndianMilliseconds };
                        break;
                    case NfTables.NFTA_SET_ELEM_USERDATA:
                        element = element with { Comment = NftUserData.ReadComment(reader.Value) };
                        break;
                    case NfTables.NFTA_SET_ELEM_FLAGS:
                        flags = reader.BigEndianUInt32;
                        break;
                }
            }

            elements.Add((element.KeyEnd == element.Key ? element with { KeyEnd = null } : element, (flags & NfTables.NFT_SET_ELEM_INTERVAL_END) != 0));
        }
    }

    /// <summary>Joins the two elements of each range, and sorts by key.</summary>
    internal static ImmutableArray<NftElement> Join(NftSet set, List<(NftElement Element, bool IsEnd)> elements)
    {
        // At one value a range may end and another begin.
        elements.Sort(static (a, b) => a.Element.Key.Bytes.SequenceCompareTo(b.Element.Key.Bytes) is var order && order != 0 ? order : b.IsEnd.CompareTo(a.IsEnd));
        var joined = ImmutableArray.CreateBuilder<NftElement>();
        if (set is not { Interval: true, KeyTypes.Length: 1 })
            return [.. elements.Select(e => e.Element)];
        for (int i = 0; i < elements.Count; i++)
        {
            (NftElement element, bool isEnd) = elements[i];
            if (isEnd)
                continue;
            NftData end = i + 1 < elements.Count && elements[i + 1].IsEnd ? elements[i + 1].Element.Key.Previous() : Highest(element.Key.Length);
            joined.Add(element with { KeyEnd = end == element.Key ? null : end });
        }

        return joined.ToImmutable();
    }

    private void WriteValue(NetlinkWriter writer)
    {
        if (Value is { } value)
            PutKey(writer, NfTables.NFTA_SET_ELEM_DATA, value);
        if (Verdict is null)
            return;
        using (writer.Nested(NfTables.NFTA_SET_ELEM_DATA))
            Verdict.Write(writer);
    }

    private static void PutKey(NetlinkWriter writer, ushort type, NftData data)
    {
        using (writer.Nested(type))
            writer.Put(NfTables.NFTA_DATA_VALUE, data.Bytes);
    }

    private static NftData Highest(int length)
    {
        var bytes = new byte[length];
        Array.Fill(bytes, (byte)0xff);
        return new NftData(bytes);
    }
}

/// <summary>Elements of a set, for a batch: what <c>nft add element</c> adds.</summary>
/// <param name="Set">The set.</param>
/// <param name="Items">The elements.</param>
public sealed record NftElements(NftSet Set, ImmutableArray<NftElement> Items)
{
    internal string Subject => string.Create(CultureInfo.InvariantCulture, $"{Items.Length} {(Items.Length == 1 ? "element" : "elements")} of {Set.Noun} {Set.Subject}");

    /// <summary>Compares by value, the elements included.</summary>
    public bool Equals(NftElements? other) => other is not null && Set == other.Set && Items.AsSpan().SequenceEqual(other.Items.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Set, Items.Length);
}
