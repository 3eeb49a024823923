using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Lets only so many bytes in all go on in the rule: <c>quota</c>.</summary>
/// <param name="Bytes">How many.</param>
/// <param name="Over">Whether what is above goes on, in the place of what is below.</param>
/// <param name="Consumed">How many have passed.</param>
public sealed record QuotaExpression(ulong Bytes, bool Over = false, ulong Consumed = 0) : NftExpression
{
    internal override string Name => "quota";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt64(NfTables.NFTA_QUOTA_BYTES, Bytes);
        writer.PutBigEndianUInt64(NfTables.NFTA_QUOTA_CONSUMED, Consumed);
        writer.PutBigEndianUInt32(NfTables.NFTA_QUOTA_FLAGS, Over ? NfTables.NFT_QUOTA_F_INV : 0);
    }

    internal static QuotaExpression Read(AttributeReader reader)
    {
        ulong bytes = 0, consumed = 0;
        uint flags = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_QUOTA_BYTES:
                    bytes = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_QUOTA_CONSUMED:
                    consumed = reader.BigEndianUInt64;
                    break;
                case NfTables.NFTA_QUOTA_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
            }
        }

        return new QuotaExpression(bytes, (flags & NfTables.NFT_QUOTA_F_INV) != 0, consumed);
    }
}
