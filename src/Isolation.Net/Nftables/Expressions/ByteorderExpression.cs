using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Turns a number from the machine's order to the network's, or back. <c>byteorder</c>.</summary>
/// <remarks>Registers are compared byte by byte, the first the most significant:
/// a number in the machine's order is only equal or not until it is turned.</remarks>
/// <param name="Source">Where the number is.</param>
/// <param name="Destination">Where it goes.</param>
/// <param name="Length">How many bytes are turned in all.</param>
/// <param name="Size">How many bytes a number has: 2, 4 or 8.</param>
/// <param name="ToHost">Whether it is turned to the machine's order; else to the network's.</param>
public sealed record ByteorderExpression(NftRegister Source, NftRegister Destination, int Length, int Size,
    bool ToHost = false) : NftExpression
{
    internal override string Name => "byteorder";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_BYTEORDER_SREG, Source.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_BYTEORDER_DREG, Destination.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_BYTEORDER_OP, ToHost ? NfTables.NFT_BYTEORDER_NTOH : NfTables.NFT_BYTEORDER_HTON);
        writer.PutBigEndianUInt32(NfTables.NFTA_BYTEORDER_LEN, (uint)Length);
        writer.PutBigEndianUInt32(NfTables.NFTA_BYTEORDER_SIZE, (uint)Size);
    }

    internal static ByteorderExpression Read(AttributeReader reader)
    {
        uint source = 0, destination = 0, operation = 0, length = 0, size = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_BYTEORDER_SREG:
                    source = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BYTEORDER_DREG:
                    destination = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BYTEORDER_OP:
                    operation = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BYTEORDER_LEN:
                    length = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_BYTEORDER_SIZE:
                    size = reader.BigEndianUInt32;
                    break;
            }
        }

        return new ByteorderExpression(new NftRegister(source), new NftRegister(destination), (int)length, (int)size,
            operation == NfTables.NFT_BYTEORDER_NTOH);
    }
}
