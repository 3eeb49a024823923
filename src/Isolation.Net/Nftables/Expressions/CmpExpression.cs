using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Compares a register with a value; where that does not hold, the rule ends: <c>cmp</c>.</summary>
/// <param name="Source">The register.</param>
/// <param name="Operator">How.</param>
/// <param name="Value">The value.</param>
public sealed record CmpExpression(NftRegister Source, NftOperator Operator, NftData Value) : NftExpression
{
    internal override string Name => "cmp";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_CMP_SREG, Source.Number);
        writer.PutBigEndianUInt32(NfTables.NFTA_CMP_OP, (uint)Operator);
        PutData(writer, NfTables.NFTA_CMP_DATA, Value);
    }

    internal static CmpExpression Read(AttributeReader reader)
    {
        uint source = 0, operation = 0;
        NftData value = default;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_CMP_SREG:
                    source = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_CMP_OP:
                    operation = reader.BigEndianUInt32;
                    break;
                case NfTables.NFTA_CMP_DATA:
                    value = ReadData(reader.Nested);
                    break;
            }
        }

        return new CmpExpression(new NftRegister(source), (NftOperator)operation, value);
    }
}
