using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Several queues, of which the first that has a packet sends it. <c>tc qdisc add ... prio</c>; see tc-prio(8).</summary>
public sealed record PrioQdisc : Qdisc
{
    private const int MapLength = 16;

    /// <summary>Initialises one.</summary>
    public PrioQdisc(int linkIndex) : base(linkIndex, "prio")
    {
    }

    /// <summary>How many queues, 2 to 16.</summary>
    public int Bands { get; init; } = 3;

    /// <summary>Which queue packets of each of the 16 priorities go to.</summary>
    public ImmutableArray<byte> PriorityMap { get; init; } = [1, 2, 2, 2, 1, 2, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1];

    /// <summary>Compares by value, the map included.</summary>
    public bool Equals(PrioQdisc? other) => base.Equals(other) && Bands == other.Bands
        && PriorityMap.AsSpan().SequenceEqual(other.PriorityMap.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Bands);

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        if (PriorityMap.Length != MapLength)
            throw new ArgumentException($"A priority map has {MapLength} entries; this one has {PriorityMap.Length}.");
        // struct tc_prio_qopt { int bands; u8 priomap[16]; }
        Span<byte> options = stackalloc byte[4 + MapLength];
        BinaryPrimitives.WriteInt32LittleEndian(options, Bands);
        PriorityMap.AsSpan().CopyTo(options[4..]);
        writer.Put(Rtnetlink.TCA_OPTIONS, options);
    }

    internal static PrioQdisc ReadOptions(ReadOnlySpan<byte> options) => options.Length >= 4 + MapLength
        ? new PrioQdisc(0) { Bands = BinaryPrimitives.ReadInt32LittleEndian(options), PriorityMap = [.. options.Slice(4, MapLength)] }
        : throw NetlinkException.Malformed($"The options of prio have {options.Length} bytes.");
}
