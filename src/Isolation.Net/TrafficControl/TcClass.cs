using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A class of a queueing discipline: <c>tc class</c>.</summary>
public record TcClass : TcObject
{
    /// <summary>Initialises one, without options.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="kind">The kind of its discipline.</param>
    public TcClass(int linkIndex, string kind) : base(linkIndex, kind)
    {
    }

    /// <summary>The discipline inside it, as read; none where it has none of its own.</summary>
    public TcHandle Leaf { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWTCLASS;

    internal override string Noun => "class";

    internal override string Subject => System.FormattableString.Invariant($"{Handle} of {Kind} below {Parent} of link {LinkIndex}");

    private protected override void WriteOptions(NetlinkWriter writer) => writer.Put(Kept);

    internal static TcClass Read(ReadOnlySpan<byte> payload)
    {
        var parts = new Parts(payload);
        TcClass read = parts.Kind == "htb" ? HtbClass.ReadOptions(new AttributeReader(parts.Options))
            : new TcClass(0, parts.Kind) { Kept = parts.Kept };
        return read with
        {
            LinkIndex = parts.LinkIndex,
            Handle = parts.Handle,
            Parent = parts.Parent,
            Leaf = new TcHandle(parts.Info),
            Statistics = parts.Statistics
        };
    }
}
