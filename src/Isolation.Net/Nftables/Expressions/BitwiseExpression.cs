using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Keeps some bits of a register, and flips some: <c>bitwise</c>.</summary>
/// <param name="Source">The register.</param>
/// <param name="Destination">Where the result goes.</param>
/// <param name="Mask">The bits that are kept.</param>
/// <param name="Xor">The bits that are flipped then.</param>
public sealed record BitwiseExpression(NftRegister Source, NftRegister Destination, NftData Mask, NftData Xor) : NftExpression
{
    internal override string Name => "bitwise";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_BITWISE_SREG, Source.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_BITWISE_DREG, Destination.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_BITWISE_LEN, (uint)Mask.Length);
        PutData(writer, NfTables.NFTA_BITWISE_MASK, Mask);
        PutData(writer, NfTables.NFTA_BITWISE_XOR, Xor);
    }

    internal static NftExpression Read(AttributeReader reader, ReadOnlySpan<byte> whole)
    {
        uint source = 0, destination = 0, operation = 0;
        NftData mask = default, xor = default;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_BITWISE_SREG:
                    source = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BITWISE_DREG:
                    destination = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BITWISE_MASK:
                    mask = ReadData(reader.Nested);
                    break;
                case NfTables.NFTA_BITWISE_XOR:
                    xor = ReadData(reader.Nested);
                    break;
                case NfTables.NFTA_BITWISE_OP:
                    operation = reader.BigEndianUInt32;
                    break;
            }
        }

        // Shifts are another operation of the same name.
        return operation == 0
            ? new BitwiseExpression(new NftRegister(source), new NftRegister(destination), mask, xor)
            : new UnknownExpression("bitwise", new NftData(whole));
    }
}
