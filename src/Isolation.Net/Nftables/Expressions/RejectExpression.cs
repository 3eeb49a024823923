using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Refuses the packet, so that the sender knows at once: <c>reject</c>.</summary>
/// <param name="Type">The kernel's type: <c>NFT_REJECT_*</c>.</param>
/// <param name="Code">The code of the ICMP message.</param>
public sealed record RejectExpression(uint Type, byte Code) : NftExpression
{
    internal static RejectExpression Of(NftRejection rejection) => rejection switch
    {
        NftRejection.TcpReset => new(NfTables.NFT_REJECT_TCP_RST, 0),
        NftRejection.AdminProhibited => new(NfTables.NFT_REJECT_ICMPX_UNREACH, (byte)NfTables.NFT_REJECT_ICMPX_ADMIN_PROHIBITED),
        NftRejection.HostUnreachable => new(NfTables.NFT_REJECT_ICMPX_UNREACH, (byte)NfTables.NFT_REJECT_ICMPX_HOST_UNREACH),
        NftRejection.NoRoute => new(NfTables.NFT_REJECT_ICMPX_UNREACH, (byte)NfTables.NFT_REJECT_ICMPX_NO_ROUTE),
        _ => new(NfTables.NFT_REJECT_ICMPX_UNREACH, (byte)NfTables.NFT_REJECT_ICMPX_PORT_UNREACH),
    };

    internal NftRejection Rejection => (Type, (uint)Code) switch
    {
        (NfTables.NFT_REJECT_TCP_RST, _) => NftRejection.TcpReset,
        (NfTables.NFT_REJECT_ICMPX_UNREACH, NfTables.NFT_REJECT_ICMPX_PORT_UNREACH) => NftRejection.PortUnreachable,
        (NfTables.NFT_REJECT_ICMPX_UNREACH, NfTables.NFT_REJECT_ICMPX_ADMIN_PROHIBITED) => NftRejection.AdminProhibited,
        (NfTables.NFT_REJECT_ICMPX_UNREACH, NfTables.NFT_REJECT_ICMPX_HOST_UNREACH) => NftRejection.HostUnreachable,
        (NfTables.NFT_REJECT_ICMPX_UNREACH, NfTables.NFT_REJECT_ICMPX_NO_ROUTE) => NftRejection.NoRoute,
        _ => NftRejection.Other,
    };

    internal override string Name => "reject";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_REJECT_TYPE, Type);
        if (Type != NfTables.NFT_REJECT_TCP_RST)
            writer.PutByte(NfTables.NFTA_REJECT_ICMP_CODE, Code);
    }

    internal static RejectExpression Read(AttributeReader reader)
    {
        uint type = 0;
        byte code = 0;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_REJECT_TYPE)
                type = reader.BigEndianUInt32;
            else if (reader.Type == NfTables.NFTA_REJECT_ICMP_CODE)
                code = reader.Byte;
        }

        return new RejectExpression(type, code);
    }
}
