using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Puts the address of the link that the packet leaves by in the place of its source: <c>masquerade</c>.</summary>
/// <param name="Flags">How the port is chosen.</param>
public sealed record MasqueradeExpression(NftNatFlags Flags = NftNatFlags.None) : NftExpression
{
    internal override string Name => "masq";

    internal override void Write(NetlinkWriter writer)
    {
        if (Flags != NftNatFlags.None)
            writer.PutBigEndianUInt32(NfTables.NFTA_MASQ_FLAGS, (uint)Flags);
    }

    internal static MasqueradeExpression Read(AttributeReader reader)
    {
        var flags = NftNatFlags.None;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_MASQ_FLAGS)
                flags = (NftNatFlags)reader.BigEndianUInt32;
        }

        return new MasqueradeExpression(flags);
    }
}
