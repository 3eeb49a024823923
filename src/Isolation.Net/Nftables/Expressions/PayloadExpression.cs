using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Loads bytes of the packet: <c>payload</c>.</summary>
/// <param name="Destination">The register.</param>
/// <param name="Base">Where they are counted from.</param>
/// <param name="Offset">Where they begin, in bytes.</param>
/// <param name="Length">How many.</param>
public sealed record PayloadExpression(NftRegister Destination, NftPayloadBase Base, int Offset, int Length) : NftExpression
{
    internal override string Name => "payload";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_PAYLOAD_DREG, Destination.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_PAYLOAD_BASE, (uint)Base);
        writer.PutBigEndianUInt32(NfTables.NFTA_PAYLOAD_OFFSET, (uint)Offset);
        writer.PutBigEndianUInt32(NfTables.NFTA_PAYLOAD_LEN, (uint)Length);
    }

    internal static NftExpression Read(AttributeReader reader, ReadOnlySpan<byte> data)
    {
        uint? register = null;
        uint place = 0, offset = 0, length = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_PAYLOAD_DREG:
                    register = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_PAYLOAD_BASE:
                    place = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_PAYLOAD_OFFSET:
                    offset = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_PAYLOAD_LEN:
                    length = reader.BigEndianUInt32;
                    break;
            }
        }

        // Without one it is the other kind, which writes into the packet.
        return register is { } number
            ? new PayloadExpression(new NftRegister(number), (NftPayloadBase)place, (int)offset, (int)length)
            : new UnknownExpression("payload", new NftData(data));
    }
}
