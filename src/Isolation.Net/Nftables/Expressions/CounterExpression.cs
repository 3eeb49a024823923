using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Counts packets and bytes: <c>counter</c>.</summary>
/// <param name="Packets">Packets so far.</param>
/// <param name="Bytes">Bytes so far.</param>
public sealed record CounterExpression(ulong Packets = 0, ulong Bytes = 0) : NftExpression
{
    internal override string Name => "counter";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt64(NfTables.NFTA_COUNTER_BYTES, Bytes);
        writer.PutBigEndianUInt64(NfTables.NFTA_COUNTER_PACKETS, Packets);
    }

    internal static CounterExpression Read(AttributeReader reader)
    {
        ulong packets = 0, bytes = 0;
        while (reader.MoveNext())
        {
            if (reader.Type == NfTables.NFTA_COUNTER_BYTES)
                bytes = reader.BigEndianUInt64;
            else if (reader.Type == NfTables.NFTA_COUNTER_PACKETS)
                packets = reader.BigEndianUInt64;
        }

        return new CounterExpression(packets, bytes);
    }
}
