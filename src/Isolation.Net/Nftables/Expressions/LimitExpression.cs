using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Lets only so many packets, or bytes, in a time go on in the rule: <c>limit</c>.</summary>
/// <param name="Rate">How many.</param>
/// <param name="UnitSeconds">In how many seconds: 1, 60, 3600, 86400 or 604800.</param>
/// <param name="Burst">How many more at once.</param>
/// <param name="OfBytes">Whether bytes are counted.</param>
/// <param name="Over">Whether what is above the rate goes on, in the place of what is below.</param>
public sealed record LimitExpression(ulong Rate, ulong UnitSeconds, uint Burst, bool OfBytes = false, bool Over = false) : NftExpression
{
    internal override string Name => "limit";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt64(NfTables.NFTA_LIMIT_RATE, Rate);
        writer.PutBigEndianUInt64(NfTables.NFTA_LIMIT_UNIT, UnitSeconds);
        writer.PutBigEndianUInt32(NfTables.NFTA_LIMIT_BURST, Burst);
        writer.PutBigEndianUInt32(NfTables.NFTA_LIMIT_TYPE, OfBytes ? NfTables.NFT_LIMIT_PKT_BYTES : NfTables.NFT_LIMIT_PKTS);
        writer.PutBigEndianUInt32(NfTables.NFTA_LIMIT_FLAGS, Over ? NfTables.NFT_LIMIT_F_INV : 0);
    }

    internal static LimitExpression Read(AttributeReader reader)
    {
        ulong rate = 0, unit = 1;
        uint burst = 0, type = 0, flags = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_LIMIT_RATE:
                    rate = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_LIMIT_UNIT:
                    unit = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_LIMIT_BURST:
                    burst = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_LIMIT_TYPE:
                    type = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_LIMIT_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
            }
        }

        return new LimitExpression(rate, unit, burst, type == NfTables.NFT_LIMIT_PKT_BYTES, (flags & NfTables.NFT_LIMIT_F_INV) != 0);
    }
}
