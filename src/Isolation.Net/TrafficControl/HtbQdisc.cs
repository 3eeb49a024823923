using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A hierarchy of token buckets: classes with rates, which may borrow from each other.
/// <c>tc qdisc add ... htb default CLASS</c>; see tc-htb(8).</summary>
public sealed record HtbQdisc : Qdisc
{
    private const uint Version = 3, RateToQuantum = 10;

    /// <summary>Initialises one.</summary>
    public HtbQdisc(int linkIndex) : base(linkIndex, "htb")
    {
    }

    /// <summary>The minor number of the class of packets that no filter classifies; 0 sends them unlimited.</summary>
    public uint DefaultClass { get; init; }

    /// <summary>How many unclassified packets may wait; null for the link's queue length.</summary>
    public uint? DirectQueueLength { get; init; }

    // struct tc_htb_glob { u32 version, rate2quantum, defcls, debug, direct_pkts; }
    private protected override void WriteOptions(NetlinkWriter writer)
    {
        Span<byte> init = stackalloc byte[20];
        init.Clear();
        BinaryPrimitives.WriteUInt32LittleEndian(init, Version);
        BinaryPrimitives.WriteUInt32LittleEndian(init[4..], RateToQuantum);
        BinaryPrimitives.WriteUInt32LittleEndian(init[8..], DefaultClass);
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            writer.Put(PktSched.TCA_HTB_INIT, init);
            if (DirectQueueLength is { } length)
                writer.PutUInt32(PktSched.TCA_HTB_DIRECT_QLEN, length);
        }
    }

    internal static HtbQdisc ReadOptions(AttributeReader reader)
    {
        var qdisc = new HtbQdisc(0);
        while (reader.MoveNext())
        {
            qdisc = reader.Type switch
            {
                PktSched.TCA_HTB_INIT => qdisc with { DefaultClass = BinaryPrimitives.ReadUInt32LittleEndian(reader.Struct(20)[8..]) },
                PktSched.TCA_HTB_DIRECT_QLEN => qdisc with { DirectQueueLength = reader.UInt32 },
                _ => qdisc,
            };
        }

        return qdisc;
    }
}
