using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;

namespace Isolation.Net;

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

/// <summary>Where filters of packets that come in hang: they can drop and redirect, but not queue.
/// <c>tc qdisc add dev LINK ingress</c>.</summary>
public sealed record IngressQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public IngressQdisc(int linkIndex) : base(linkIndex, "ingress") => (Handle, Parent) = (new TcHandle(0xffff), TcHandle.Ingress);
}

/// <summary>Where filters of packets that come in and that go out hang. <c>tc qdisc add dev LINK clsact</c>. Since Linux 4.5.</summary>
public sealed record ClsactQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public ClsactQdisc(int linkIndex) : base(linkIndex, "clsact") => (Handle, Parent) = (new TcHandle(0xffff), TcHandle.Ingress);
}
