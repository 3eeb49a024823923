using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

/// <summary>An element of a set or map.</summary>
/// <param name="Key">Its key, or the first of a range.</param>
public sealed record NftElement(NftData Key)
{
    /// <summary>The last key of a range; null for a single one.</summary>
    public NftData? KeyEnd { get; init; }

    /// <summary>Whether it stands for all keys that no other element has, and has none itself: <c>*</c>. Since Linux 5.13.</summary>
    public bool IsCatchAll { get; init; }

    /// <summary>Its value, in a map. Of a map with <see cref="NftSet.IntervalData"/> a range: its two ends.</summary>
    public NftData? Value { get; init; }

    /// <summary>The name of its counter or quota, in a map to such.</summary>
    public string? Object { get; init; }

    /// <summary>Its own state, such as a counter, where its set says that elements have some.</summary>
    public ImmutableArray<NftExpression> Expressions { get; init; } = [];

    /// <summary>Its verdict, in a verdict map.</summary>
    public NftVerdict? Verdict { get; init; }

    /// <summary>How long it is there; null for as long as the set says.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How long it is still there, as read.</summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    internal NftInterval Interval => new(Key, KeyEnd ?? Key);

    /// <summary>Compares by value, the state included.</summary>
    public bool Equals(NftElement? other) => other is not null && Key == other.Key && KeyEnd == other.KeyEnd
        && (IsCatchAll, Object, Timeout, Expires, Comment) == (other.IsCatchAll, other.Object, other.Timeout, other.Expires, other.Comment)
        && Value == other.Value && Verdict == other.Verdict && Expressions.AsSpan().SequenceEqual(other.Expressions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Key, KeyEnd, IsCatchAll);

    internal static NftElement Of(NftSet set, NftValue key)
    {
        if (key.IsCatchAll)
            return new NftElement(default(NftData)) { IsCatchAll = true };
        NftInterval interval = NftSet.Encode(set.KeyTypes, key, ordered: set.Interval);
        if (!interval.IsSingle && !set.Interval)
            throw new FormatException(
                $"\"{key}\" is more than one value; the set \"{set.Name}\" has none but single ones, without the flag interval.");
        return new NftElement(interval.From) { KeyEnd = interval.IsSingle ? null : interval.To };
    }

    /// <summary>The element as nft(8) writes it.</summary>
    internal string Format(NftSet set)
    {
        string text = IsCatchAll ? "*" : NftSet.Format(set.KeyTypes, Interval, ordered: set.Interval);
        foreach (NftExpression expression in Expressions)
            text += " " + NftSyntax.Statement(expression);
        if (Timeout is { } timeout)
            text += $" timeout {NftSyntax.Time(timeout)}";
        if (Expires is { } expires)
            text += $" expires {NftSyntax.Time(expires)}";
        if (Comment is not null)
            text += $" comment \"{Comment}\"";
        return Verdict is not null ? $"{text} : {Verdict}"
            : Object is not null ? $"{text} : \"{Object}\""
            : Value is { } value ? $"{text} : {NftSet.Format(set.DataTypes, ValuesOf(set, value), ordered: false)}"
            : text;
    }

    private static NftInterval ValuesOf(NftSet set, NftData value) => set.IntervalData
        ? new NftInterval(new NftData(value.Bytes[..(value.Length / 2)]), new NftData(value.Bytes[(value.Length / 2)..]))
        : new NftInterval(value, value);

    internal void Write(NetlinkWriter writer, NftSet set)
    {
        bool twoElements = set is { Interval: true, KeyTypes.Length: 1 } && !IsCatchAll;
        using (writer.Nested(NfTables.NFTA_LIST_ELEM))
        {
            WriteKey(writer, set);
            WriteValue(writer);
            if (Timeout is { } timeout)
                writer.PutBigEndianUInt64(NfTables.NFTA_SET_ELEM_TIMEOUT, (ulong)timeout.TotalMilliseconds);
            if (Expires is { } expires)
                writer.PutBigEndianUInt64(NfTables.NFTA_SET_ELEM_EXPIRATION, (ulong)expires.TotalMilliseconds);
            NftUserData.PutComment(writer, NfTables.NFTA_SET_ELEM_USERDATA, Comment);
            if (Expressions is [{ } only])
                NftExpression.WriteOne(writer, NfTables.NFTA_SET_ELEM_EXPR, only);
            else if (!Expressions.IsEmpty)
                NftExpression.WriteAll(writer, NfTables.NFTA_SET_ELEM_EXPRESSIONS, Expressions);
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
                    case NfTables.NFTA_SET_ELEM_OBJREF:
                        element = element with { Object = reader.Text };
                        break;
                    case NfTables.NFTA_SET_ELEM_EXPR:
                        element = element with { Expressions = [NftExpression.ReadOne(reader.Nested)] };
                        break;
                    case NfTables.NFTA_SET_ELEM_EXPRESSIONS:
                        element = element with { Expressions = NftExpression.ReadAll(reader.Nested) };
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

            element = element with
            {
                KeyEnd = element.KeyEnd == element.Key ? null : element.KeyEnd,
                IsCatchAll = (flags & NfTables.NFT_SET_ELEM_CATCHALL) != 0,
            };
            elements.Add((element, (flags & NfTables.NFT_SET_ELEM_INTERVAL_END) != 0));
        }
    }

    /// <summary>Joins the two elements of each range, and sorts by key; what stands for all others is the last.</summary>
    internal static ImmutableArray<NftElement> Join(NftSet set, List<(NftElement Element, bool IsEnd)> elements)
    {
        NftData Order(NftData key) => set is { Interval: false, KeyTypes: [{ } type] } ? type.ToSort(key) : key;
        // At one value a range may end and another begin.
        elements.Sort((a, b) => Order(a.Element.Key).Bytes.SequenceCompareTo(Order(b.Element.Key).Bytes) is var order && order != 0
            ? order
            : b.IsEnd.CompareTo(a.IsEnd));
        NftElement[] others = [.. elements.Where(e => e.Element.IsCatchAll).Select(e => e.Element)];
        if (set is not { Interval: true, KeyTypes.Length: 1 })
            return [.. elements.Where(e => !e.Element.IsCatchAll).Select(e => e.Element), .. others];
        var joined = ImmutableArray.CreateBuilder<NftElement>();
        for (int i = 0; i < elements.Count; i++)
        {
            (NftElement element, bool isEnd) = elements[i];
            if (isEnd || element.IsCatchAll)
                continue;
            NftData end = i + 1 < elements.Count && elements[i + 1].IsEnd
                ? elements[i + 1].Element.Key.Previous()
                : Highest(element.Key.Length);
            joined.Add(element with { KeyEnd = end == element.Key ? null : end });
        }

        return [.. joined, .. others];
    }

    private void WriteKey(NetlinkWriter writer, NftSet set)
    {
        if (IsCatchAll)
        {
            writer.PutBigEndianUInt32(NfTables.NFTA_SET_ELEM_FLAGS, NfTables.NFT_SET_ELEM_CATCHALL);
            return;
        }

        PutKey(writer, NfTables.NFTA_SET_ELEM_KEY, Key);
        if (set is { Interval: true, KeyTypes.Length: > 1 })
            PutKey(writer, NfTables.NFTA_SET_ELEM_KEY_END, KeyEnd ?? Key);
    }

    private void WriteValue(NetlinkWriter writer)
    {
        if (Object is not null)
            writer.PutText(NfTables.NFTA_SET_ELEM_OBJREF, NftNames.Check(Object));
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
