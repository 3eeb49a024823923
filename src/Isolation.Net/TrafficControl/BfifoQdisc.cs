using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>First in, first out, of at most so many bytes. <c>tc qdisc add ... bfifo limit BYTES</c>; see tc-pfifo(8).</summary>
public sealed record BfifoQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public BfifoQdisc(int linkIndex) : base(linkIndex, "bfifo")
    {
    }

    /// <summary>How many bytes may wait; null for the link's queue length times its mtu.</summary>
    public uint? LimitBytes { get; init; }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        if (LimitBytes is { } limit)
            writer.PutUInt32(Rtnetlink.TCA_OPTIONS, limit);
    }

    internal static BfifoQdisc ReadOptions(ReadOnlySpan<byte> options) =>
        new(0) { LimitBytes = options.Length >= 4 ? BinaryPrimitives.ReadUInt32LittleEndian(options) : null };
}
