using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Whether a register is in a set, or what a map has for it; where it is not found, the rule ends: <c>lookup</c>.</summary>
/// <param name="Set">The set's name.</param>
/// <param name="Source">The register.</param>
/// <param name="Destination">Where a map's value goes; null for a set.</param>
/// <param name="Inverted">Whether the rule ends where it is found.</param>
public sealed record LookupExpression(string Set, NftRegister Source, NftRegister? Destination = null,
    bool Inverted = false) : NftExpression
{
    /// <summary>The number of a set that is made in the same batch and has no name of its own.</summary>
    internal uint? SetId { get; init; }

    internal override string Name => "lookup";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutText(NfTables.NFTA_LOOKUP_SET, NftNames.Check(Set));
        if (SetId is { } id)
            writer.PutBigEndianUInt32(NfTables.NFTA_LOOKUP_SET_ID, id);
        writer.PutBigEndianUInt32(NfTables.NFTA_LOOKUP_SREG, Source.Number);
        if (Destination is { } destination)
            writer.PutBigEndianUInt32(NfTables.NFTA_LOOKUP_DREG, destination.Number);
        if (Inverted)
            writer.PutBigEndianUInt32(NfTables.NFTA_LOOKUP_FLAGS, NfTables.NFT_LOOKUP_F_INV);
    }

    internal static LookupExpression Read(AttributeReader reader)
    {
        string set = "";
        uint source = 0, flags = 0;
        NftRegister? destination = null;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_LOOKUP_SET:
                    set = reader.Text;
                    break;
                case NfTables.NFTA_LOOKUP_SREG:
                    source = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_LOOKUP_DREG:
                    destination = new NftRegister(reader.BigEndianUInt32);
                    break;
                case NfTables.NFTA_LOOKUP_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
            }
        }

        return new LookupExpression(set, new NftRegister(source), destination, (flags & NfTables.NFT_LOOKUP_F_INV) != 0);
    }
}
