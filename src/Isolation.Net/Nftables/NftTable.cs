using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>A table: chains, sets and rules that belong together. <c>nft add table</c>.</summary>
/// <example><code>
/// using NftSocket nft = NftSocket.Open();
/// nft.Execute(new NftBatch().Add(new NftTable(NftFamily.Inet, "filter")));
/// </code></example>
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
