using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Puts a value into a register, or gives the verdict: <c>immediate</c>.</summary>
/// <param name="Destination">The register.</param>
/// <param name="Value">The value, where it is no verdict.</param>
/// <param name="Verdict">The verdict, where it is one.</param>
public sealed record ImmediateExpression(NftRegister Destination, NftData Value = default, NftVerdict? Verdict = null) : NftExpression
{
    internal override string Name => "immediate";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_IMMEDIATE_DREG, Destination.Number);
        if (Verdict is null)
        {
            PutData(writer, NfTables.NFTA_IMMEDIATE_DATA, Value);
            return;
        }

        using (writer.Nested(NfTables.NFTA_IMMEDIATE_DATA))
            Verdict.Write(writer);
    }

    internal static ImmediateExpression Read(AttributeReader reader)
    {
        uint destination = 0;
        NftData value = default;
        NftVerdict? verdict = null;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_IMMEDIATE_DREG)
                destination = reader.BigEndianUInt32;
            else if (reader.Type == NfTables.NFTA_IMMEDIATE_DATA)
                (value, verdict) = ReadEither(reader.Nested);
        }

        return new ImmediateExpression(new NftRegister(destination), value, verdict);
    }

    internal static (NftData Value, NftVerdict? Verdict) ReadEither(AttributeReader data)
    {
        NftData value = default;
        NftVerdict? verdict = null;
        while (data.MoveNext())
        {
            if (data.Type == NfTables.NFTA_DATA_VALUE)
                value = new NftData(data.Value);
            else if (data.Type == NfTables.NFTA_DATA_VERDICT)
                verdict = NftVerdict.Read(data.Nested);
        }

        return (value, verdict);
    }
}
