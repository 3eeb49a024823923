using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>A queueing discipline: what decides when packets go out. The kinds with options have records of their own,
/// such as <see cref="TbfQdisc"/>. <c>tc qdisc</c>.</summary>
/// <example><code>
/// route.Replace(new TbfQdisc(link.Index) { Rate = BitRate.FromMegabits(10), Burst = 16384, Limit = 65536 });
/// </code></example>
public record Qdisc : TcObject
{
    /// <summary>Initialises one, without options.</summary>
    /// <param name="linkIndex">The link.</param>
    /// <param name="kind">Its kind.</param>
    public Qdisc(int linkIndex, string kind) : base(linkIndex, kind)
    {
    }

    internal override ushort NewType => Rtnetlink.RTM_NEWQDISC;

    internal override string Noun => "queueing discipline";

    private protected override void WriteOptions(NetlinkWriter writer) => writer.Put(Kept);

    internal static Qdisc Read(ReadOnlySpan<byte> payload)
    {
        var parts = new Parts(payload);
        Qdisc qdisc = parts.Kind switch
        {
            "pfifo" => PfifoQdisc.ReadOptions(parts.Options),
            "bfifo" => BfifoQdisc.ReadOptions(parts.Options),
            "tbf" => TbfQdisc.ReadOptions(new AttributeReader(parts.Options)),
            "htb" => HtbQdisc.ReadOptions(new AttributeReader(parts.Options)),
            "fq_codel" => FqCodelQdisc.ReadOptions(new AttributeReader(parts.Options)),
            "netem" => NetemQdisc.ReadOptions(parts.Options),
            "prio" => PrioQdisc.ReadOptions(parts.Options),
            "ingress" => new IngressQdisc(0),
            "clsact" => new ClsactQdisc(0),
            _ => new Qdisc(0, parts.Kind) { Kept = parts.Kept },
        };
        return qdisc with { LinkIndex = parts.LinkIndex, Handle = parts.Handle, Parent = parts.Parent, Statistics = parts.Statistics };
    }
}
