using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Sends the packet to this host itself: <c>redirect</c>.</summary>
/// <param name="Port">The register that holds the port; null to leave it.</param>
public sealed record RedirectExpression(NftRegister? Port = null) : NftExpression
{
    internal override string Name => "redir";

    internal override void Write(NetlinkWriter writer) => NatExpression.PutRegister(writer, NfTables.NFTA_REDIR_REG_PROTO_MIN, Port);

    internal static RedirectExpression Read(AttributeReader reader)
    {
        NftRegister? port = null;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_REDIR_REG_PROTO_MIN)
                port = new NftRegister(reader.BigEndianUInt32);
        }

        return new RedirectExpression(port);
    }
}
