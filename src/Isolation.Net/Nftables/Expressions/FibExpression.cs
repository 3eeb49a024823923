using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Loads what the routing tables say of the packet's addresses: <c>fib</c>.</summary>
/// <param name="Destination">The register.</param>
/// <param name="Result">What: <c>NFT_FIB_RESULT_*</c>.</param>
/// <param name="Flags">Of which address: <c>NFTA_FIB_F_*</c>.</param>
public sealed record FibExpression(NftRegister Destination, uint Result, uint Flags) : NftExpression
{
    internal override string Name => "fib";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_FIB_DREG, Destination.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_FIB_RESULT, Result);
        writer.PutBigEndianUInt32(NfTables.NFTA_FIB_FLAGS, Flags);
    }

    internal static FibExpression Read(AttributeReader reader)
    {
        uint destination = 0, result = 0, flags = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_FIB_DREG:
                    destination = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_FIB_RESULT:
                    result = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_FIB_FLAGS:
                    flags = reader.BigEndianUInt32;
                    break;
            }
        }

        return new FibExpression(new NftRegister(destination), result, flags);
    }
}
