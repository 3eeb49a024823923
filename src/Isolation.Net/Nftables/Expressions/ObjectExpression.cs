using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Uses a counter or quota that has a name of its own: <c>counter name NAME</c>.</summary>
/// <param name="Type">Its type: <c>NFT_OBJECT_*</c>.</param>
/// <param name="Object">Its name.</param>
public sealed record ObjectExpression(uint Type, string Object) : NftExpression
{
    internal override string Name => "objref";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_OBJREF_IMM_TYPE, Type);
        writer.PutText(NfTables.NFTA_OBJREF_IMM_NAME, NftNames.Check(Object));
    }

    internal static NftExpression Read(AttributeReader reader, ReadOnlySpan<byte> whole)
    {
        uint type = 0;
        string? name = null;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_OBJREF_IMM_TYPE)
                type = reader.BigEndianUInt32;
            else if (reader.Type == NfTables.NFTA_OBJREF_IMM_NAME)
                name = reader.Text;
        }

        // One that is chosen by a map has none.
        return name is null ? new UnknownExpression("objref", new NftData(whole)) : new ObjectExpression(type, name);
    }
}
