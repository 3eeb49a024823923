using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Loads what is known of the packet beside its bytes, or sets it: <c>meta</c>.</summary>
/// <param name="Key">What: <c>NFT_META_*</c>.</param>
/// <param name="Register">The register.</param>
/// <param name="Sets">Whether it is set from the register, in the place of being loaded.</param>
public sealed record MetaExpression(uint Key, NftRegister Register, bool Sets = false) : NftExpression
{
    internal override string Name => "meta";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_META_KEY, Key);
        writer.PutBigEndianUInt32(Sets ? NfTables.NFTA_META_SREG : NfTables.NFTA_META_DREG, Register.Number);
    }

    internal static MetaExpression Read(AttributeReader reader)
    {
        uint key = 0, register = 0;
        bool sets = false;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_META_KEY)
                key = reader.BigEndianUInt32;
            else if (reader.Type is NfTables.NFTA_META_DREG or NfTables.NFTA_META_SREG)
                (register, sets) = (reader.BigEndianUInt32, reader.Type == NfTables.NFTA_META_SREG);
        }

        return new MetaExpression(key, new NftRegister(register), sets);
    }
}
