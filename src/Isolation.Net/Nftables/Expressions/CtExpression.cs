using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Loads what is known of the packet's connection, or sets it: <c>ct</c>.</summary>
/// <param name="Key">What: <c>NFT_CT_*</c>.</param>
/// <param name="Register">The register.</param>
/// <param name="Sets">Whether it is set from the register, in the place of being loaded.</param>
/// <param name="Direction">Of which direction: 0 is the original, 1 the reply; null where it has none.</param>
public sealed record CtExpression(uint Key, NftRegister Register, bool Sets = false, byte? Direction = null) : NftExpression
{
    internal override string Name => "ct";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_CT_KEY, Key);
        writer.PutBigEndianUInt32(Sets ? NfTables.NFTA_CT_SREG : NfTables.NFTA_CT_DREG, Register.Number);
        if (Direction is { } direction)
            writer.PutByte(NfTables.NFTA_CT_DIRECTION, direction);
    }

    internal static CtExpression Read(AttributeReader reader)
    {
        uint key = 0, register = 0;
        bool sets = false;
        byte? direction = null;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_CT_KEY)
                key = reader.BigEndianUInt32;
            else if (reader.Type is NfTables.NFTA_CT_DREG or NfTables.NFTA_CT_SREG)
                (register, sets) = (reader.BigEndianUInt32, reader.Type == NfTables.NFTA_CT_SREG);
            else if (reader.Type == NfTables.NFTA_CT_DIRECTION)
                direction = reader.Byte;
        }

        return new CtExpression(key, new NftRegister(register), sets, direction);
    }
}
