using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Whether a register lies within a range, or outside; where that does not hold, the rule ends:
/// <c>range</c>. Since Linux 4.9.</summary>
/// <param name="Source">The register.</param>
/// <param name="From">The lowest value within.</param>
/// <param name="To">The highest value within.</param>
/// <param name="Outside">Whether it must lie outside.</param>
public sealed record RangeExpression(NftRegister Source, NftData From, NftData To, bool Outside = false) : NftExpression
{
    internal override string Name => "range";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_RANGE_SREG, Source.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_RANGE_OP, Outside ? NfTables.NFT_RANGE_NEQ : NfTables.NFT_RANGE_EQ);
        PutData(writer, NfTables.NFTA_RANGE_FROM_DATA, From);
        PutData(writer, NfTables.NFTA_RANGE_TO_DATA, To);
    }

    internal static RangeExpression Read(AttributeReader reader)
    {
        uint source = 0;
        bool outside = false;
        NftData from = default, to = default;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_RANGE_SREG:
                    source = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_RANGE_OP:
                    outside = reader.BigEndianUInt32 == NfTables.NFT_RANGE_NEQ;
                    break;
                case NfTables.NFTA_RANGE_FROM_DATA:
                    from = ReadData(reader.Nested);
                    break;
                case NfTables.NFTA_RANGE_TO_DATA:
                    to = ReadData(reader.Nested);
                    break;
            }
        }

        return new RangeExpression(new NftRegister(source), from, to, outside);
    }
}
