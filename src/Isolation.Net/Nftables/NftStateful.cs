using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Net.Nftables;

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
