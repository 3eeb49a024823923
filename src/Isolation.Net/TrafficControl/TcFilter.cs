using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A filter: sorts packets into classes, or does something with them. The kinds have records of their own,
/// such as <see cref="MatchallFilter"/>. <c>tc filter</c>.</summary>
public record TcFilter : TcObject
{
    /// <summary>All protocols: <c>ETH_P_ALL</c>.</summary>
    public const ushort AllProtocols = 3;

    /// <summary>Initialises one, without options.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="parent">The discipline or class that it sorts for.</param>
    /// <param name="kind">Its kind.</param>
    public TcFilter(int linkIndex, TcHandle parent, string kind) : base(linkIndex, kind) => Parent = parent;

    /// <summary>Its place among the others, the lowest first; 0 lets the kernel choose.</summary>
    public ushort Priority { get; init; }

    /// <summary>The protocol of packets that are looked at: <c>ETH_P_*</c>; 0x0800 is IPv4, 0x86dd IPv6.</summary>
    public ushort Protocol { get; init; } = AllProtocols;

    /// <summary>The class that packets go to; none for none.</summary>
    public TcHandle ClassId { get; init; }

    /// <summary>What is done with packets, in order.</summary>
    public ImmutableArray<TcAction> Actions { get; init; } = [];

    internal override ushort NewType => Rtnetlink.RTM_NEWTFILTER;

    internal override string Noun => "filter";

    private protected override uint Info => (uint)Priority << 16 | BinaryPrimitives.ReverseEndianness(Protocol);

    /// <summary>Compares by value, the actions included.</summary>
    public virtual bool Equals(TcFilter? other) => base.Equals(other) && Priority == other.Priority && Protocol == other.Protocol
        && ClassId == other.ClassId && Actions.AsSpan().SequenceEqual(other.Actions.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Priority, Protocol, ClassId, Actions.Length);

    private protected override void WriteOptions(NetlinkWriter writer) => writer.Put(Kept);

    private protected void WriteCommon(NetlinkWriter writer, ushort classType, ushort actionType)
    {
        if (ClassId != TcHandle.None)
            writer.PutUInt32(classType, ClassId.Value);
        TcAction.WriteAll(writer, actionType, Actions);
    }

    /// <summary>Reads a filter; null for what the kernel lists beside filters: hash tables, and places without any.</summary>
    internal static TcFilter? Read(ReadOnlySpan<byte> payload)
    {
        var parts = new Parts(payload);
        if (parts.Options.IsEmpty && parts.Handle == TcHandle.None)
            return null;
        TcFilter? filter = parts.Kind switch
        {
            "u32" => U32Filter.ReadOptions(new AttributeReader(parts.Options)),
            "flower" => FlowerFilter.ReadOptions(new AttributeReader(parts.Options)),
            "matchall" => MatchallFilter.ReadOptions(new AttributeReader(parts.Options)),
            "bpf" => BpfFilter.ReadOptions(new AttributeReader(parts.Options)),
            "cgroup" => CgroupFilter.ReadOptions(new AttributeReader(parts.Options)),
            _ => new TcFilter(0, default, parts.Kind) { Kept = parts.Kept },
        };
        return filter is null ? null : filter with
        {
            LinkIndex = parts.LinkIndex,
            Handle = parts.Handle,
            Parent = parts.Parent,
            Priority = (ushort)(parts.Info >> 16),
            Protocol = BinaryPrimitives.ReverseEndianness((ushort)parts.Info),
            Statistics = parts.Statistics,
        };
    }
}
