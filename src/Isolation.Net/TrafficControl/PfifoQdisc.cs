using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>First in, first out, of at most so many packets. <c>tc qdisc add ... pfifo limit PACKETS</c>; see tc-pfifo(8).</summary>
public sealed record PfifoQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public PfifoQdisc(int linkIndex) : base(linkIndex, "pfifo")
    {
    }

    /// <summary>How many packets may wait; null for as many as the link's queue length.</summary>
    public uint? LimitPackets { get; init; }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        if (LimitPackets is { } limit)
            writer.PutUInt32(Rtnetlink.TCA_OPTIONS, limit);
    }

    internal static PfifoQdisc ReadOptions(ReadOnlySpan<byte> options) =>
        new(0) { LimitPackets = options.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(options) : null };
}
