using System.Collections.Immutable;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>Something that nf_tables keeps: a table, a chain, a rule, a set, a counter, a quota. An immutable value:
/// what is wanted, and what was read.</summary>
public abstract record NftObject
{
    private protected NftObject(NftFamily family, string table) => (Family, Table) = (family, table);

    /// <summary>The family of its table.</summary>
    public NftFamily Family { get; init; }

    /// <summary>Its table's name; of a table, its own.</summary>
    public string Table { get; init; }

    /// <summary>The number that the kernel has given it, as read; 0 before.</summary>
    public ulong Handle { get; init; }

    internal abstract string Noun { get; }

    internal abstract string Subject { get; }

    /// <summary>The message that makes it, without the subsystem.</summary>
    internal abstract ushort NewType { get; }

    internal virtual ushort DeleteType => (ushort)(NewType + 2);

    internal abstract void WriteNew(NetlinkWriter writer);

    internal abstract void WriteDelete(NetlinkWriter writer);

    private protected string TableText => $"{NftNames.Of(Family)} {Table}";
}

/// <summary>Comments and the like, which the kernel keeps for nft(8) without looking at them:
/// a byte of type, one of length, and the value.</summary>
internal static class NftUserData
{
    private const byte Comment = 0;

    internal static void PutComment(NetlinkWriter writer, ushort type, string? comment)
    {
        if (comment is not null)
            writer.Put(type, OfComment(comment, Comment));
    }

    internal static byte[] OfComment(string comment, byte kind)
    {
        byte[] text = System.Text.Encoding.UTF8.GetBytes(comment);
        if (text.Length > 127 || comment.Contains('\0', StringComparison.Ordinal))
            throw new ArgumentException($"A comment in nftables has at most 127 bytes, and no NUL; this one has {text.Length}.");
        return Of(kind, [.. text, 0]);
    }

    internal static byte[] Of(byte kind, ReadOnlySpan<byte> data) => [kind, (byte)data.Length, .. data];

    internal static string? ReadComment(ReadOnlySpan<byte> data, byte kind = Comment) =>
        Find(data, kind) is { Length: > 0 } text ? System.Text.Encoding.UTF8.GetString(text).TrimEnd('\0') : null;

    /// <summary>The data of a kind; empty where there is none.</summary>
    internal static ReadOnlySpan<byte> Find(ReadOnlySpan<byte> data, byte kind)
    {
        while (data.Length >= 2)
        {
            int length = data[1];
            if (data.Length < 2 + length)
                return [];
            if (data[0] == kind && length > 0)
                return data.Slice(2, length);
            data = data[(2 + length)..];
        }

        return [];
    }
}

/// <summary>A table: chains, sets and rules that belong together. <c>nft add table</c>.</summary>
public sealed record NftTable : NftObject
{
    /// <summary>Initialises a table.</summary>
    public NftTable(NftFamily family, string name) : base(family, name ?? throw new ArgumentNullException(nameof(name)))
    {
    }

    /// <summary>Whether its chains are not asked: <c>flags dormant</c>.</summary>
    public bool Dormant { get; init; }

    /// <summary>Whether it ends with the socket that made it: <c>flags owner</c>. Since Linux 5.12.</summary>
    public bool Owned { get; init; }

    /// <summary>A comment.</summary>
    public string? Comment { get; init; }

    internal override string Noun => "table";

    internal override string Subject => TableText;

    internal override ushort NewType => NfTables.NFT_MSG_NEWTABLE;

    internal override void WriteNew(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_TABLE_NAME, NftNames.Check(Table));
        uint flags = (Dormant ? NfTables.NFT_TABLE_F_DORMANT : 0) | (Owned ? NfTables.NFT_TABLE_F_OWNER : 0);
        writer.PutBigEndianUInt32(NfTables.NFTA_TABLE_FLAGS, flags);
        NftUserData.PutComment(writer, NfTables.NFTA_TABLE_USERDATA, Comment);
    }

    internal override void WriteDelete(NetlinkWriter writer) => writer.PutText(NfTables.NFTA_TABLE_NAME, Table);

    internal static NftTable Read(NftFamily family, AttributeReader reader)
    {
        string name = "";
        string? comment = null;
        uint flags = 0;
        ulong handle = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_TABLE_NAME:
                    name = reader.Text;
                    break;
                case NfTables.NFTA_TABLE_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_TABLE_HANDLE:
                    handle = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_TABLE_USERDATA:
                    comment = NftUserData.ReadComment(reader.Value);
                    break;
            }
        }

        return new NftTable(family, name)
        {
            Dormant = (flags & NfTables.NFT_TABLE_F_DORMANT) != 0,
            Owned = (flags & NfTables.NFT_TABLE_F_OWNER) != 0,
            Handle = handle,
            Comment = comment
        };
    }
}

/// <summary>A counter or quota with a name, which rules share: <c>nft add counter</c>, <c>nft add quota</c>.</summary>
public sealed record NftStateful : NftObject
{
    /// <summary>Initialises one.</summary>
    /// <param name="family">The family of its table.</param>
    /// <param name="table">Its table.</param>
    /// <param name="name">Its name.</param>
    /// <param name="state">A <see cref="CounterExpression"/> or a <see cref="QuotaExpression"/>:
    /// what it begins with, or has come to.</param>
    public NftStateful(NftFamily family, string table, string name, NftExpression state) : base(family, table)
    {
        if (state is not (CounterExpression or QuotaExpression))
            throw new ArgumentException("Only counters and quotas have names.", nameof(state));
        (Name, State) = (name ?? throw new ArgumentNullException(nameof(name)), state);
    }

    /// <summary>Its name.</summary>
    public string Name { get; init; }

    /// <summary>What it has come to.</summary>
    public NftExpression State { get; init; }

    internal override string Noun => State.Name;

    internal override string Subject => $"\"{Name}\" of table {TableText}";

    internal override ushort NewType => NfTables.NFT_MSG_NEWOBJ;

    internal override void WriteNew(NetlinkWriter writer)
    {
        NftNames.Check(Name);
        WriteDelete(writer);
        using (writer.Nested(NfTables.NFTA_OBJ_DATA))
            State.Write(writer);
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_OBJ_TABLE, Table);
        writer.PutText(NfTables.NFTA_OBJ_NAME, Name);
        writer.PutBigEndianUInt32(NfTables.NFTA_OBJ_TYPE,
            State is CounterExpression ? NfTables.NFT_OBJECT_COUNTER : NfTables.NFT_OBJECT_QUOTA);
    }

    /// <summary>Reads one; null for an object of another type.</summary>
    internal static NftStateful? Read(NftFamily family, AttributeReader reader)
    {
        string table = "", name = "";
        uint type = 0;
        ulong handle = 0;
        AttributeReader data = default;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_OBJ_TABLE:
                    table = reader.Text;
                    break;
                case NfTables.NFTA_OBJ_NAME:
                    name = reader.Text;
                    break;
                case NfTables.NFTA_OBJ_TYPE:
                    type = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_OBJ_HANDLE:
                    handle = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_OBJ_DATA:
                    data = reader.Nested;
                    break;
            }
        }

        return type switch
        {
            NfTables.NFT_OBJECT_COUNTER => new NftStateful(family, table, name, CounterExpression.Read(data)) { Handle = handle },
            NfTables.NFT_OBJECT_QUOTA => new NftStateful(family, table, name, QuotaExpression.Read(data)) { Handle = handle },
            _ => null,
        };
    }
}
