using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Loads what is known of the socket that a packet belongs to: <c>socket</c>.</summary>
/// <param name="Key">What: <c>NFT_SOCKET_*</c>.</param>
/// <param name="Destination">The register.</param>
/// <param name="Level">Of a control group, which ancestor: 1 is the first below the root.</param>
public sealed record SocketExpression(uint Key, NftRegister Destination, uint Level = 0) : NftExpression
{
    internal override string Name => "socket";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_SOCKET_KEY, Key);
        writer.PutBigEndianUInt32(NfTables.NFTA_SOCKET_DREG, Destination.Number);
        if (Key == NfTables.NFT_SOCKET_CGROUPV2)
            writer.PutBigEndianUInt32(NfTables.NFTA_SOCKET_LEVEL, Level);
    }

    internal static SocketExpression Read(AttributeReader reader)
    {
        uint key = 0, destination = 0, level = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_SOCKET_KEY:
                    key = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SOCKET_DREG:
                    destination = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_SOCKET_LEVEL:
                    level = reader.BigEndianUInt32;
                    break;
            }
        }

        return new SocketExpression(key, new NftRegister(destination), level);
    }
}
