using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Fair queues with controlled delay. <c>tc qdisc add ... fq_codel</c>; see tc-fq_codel(8).
/// Null leaves a value to the kernel.</summary>
public sealed record FqCodelQdisc : Qdisc
{
    /// <summary>Initialises one.</summary>
    public FqCodelQdisc(int linkIndex) : base(linkIndex, "fq_codel")
    {
    }

    /// <summary>How many packets may wait.</summary>
    public uint? LimitPackets { get; init; }

    /// <summary>How long packets may wait, in microseconds.</summary>
    public uint? TargetMicroseconds { get; init; }

    /// <summary>For how long they may wait longer before one is dropped, in microseconds.</summary>
    public uint? IntervalMicroseconds { get; init; }

    /// <summary>How many queues; only for a new one.</summary>
    public uint? Flows { get; init; }

    /// <summary>How many bytes a queue sends in its turn.</summary>
    public uint? Quantum { get; init; }

    /// <summary>Whether packets are marked in the place of being dropped, where both ends can.</summary>
    public bool? Ecn { get; init; }

    /// <summary>How many bytes may wait.</summary>
    public uint? MemoryLimit { get; init; }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            foreach ((ushort type, uint? value) in new (ushort, uint?)[]
            {
                (PktSched.TCA_FQ_CODEL_LIMIT, LimitPackets), (PktSched.TCA_FQ_CODEL_TARGET, TargetMicroseconds),
                (PktSched.TCA_FQ_CODEL_INTERVAL, IntervalMicroseconds),
                (PktSched.TCA_FQ_CODEL_FLOWS, Flows), (PktSched.TCA_FQ_CODEL_QUANTUM, Quantum),
                (PktSched.TCA_FQ_CODEL_ECN, Ecn is { } ecn ? ecn ? 1u : 0 : null),
                (PktSched.TCA_FQ_CODEL_MEMORY_LIMIT, MemoryLimit),
            })
            {
                if (value is { } number)
                    writer.PutUInt32(type, number);
            }
        }
    }

    internal static FqCodelQdisc ReadOptions(AttributeReader reader)
    {
        var qdisc = new FqCodelQdisc(0);
        while (reader.MoveNext())
        {
            qdisc = reader.Type switch
            {
                PktSched.TCA_FQ_CODEL_LIMIT => qdisc with { LimitPackets = reader.UInt32 },
                PktSched.TCA_FQ_CODEL_TARGET => qdisc with { TargetMicroseconds = reader.UInt32 },
                PktSched.TCA_FQ_CODEL_INTERVAL => qdisc with { IntervalMicroseconds = reader.UInt32 },
                PktSched.TCA_FQ_CODEL_FLOWS => qdisc with { Flows = reader.UInt32 },
                PktSched.TCA_FQ_CODEL_QUANTUM => qdisc with { Quantum = reader.UInt32 },
                PktSched.TCA_FQ_CODEL_ECN => qdisc with { Ecn = reader.UInt32 != 0 },
                PktSched.TCA_FQ_CODEL_MEMORY_LIMIT => qdisc with { MemoryLimit = reader.UInt32 },
                _ => qdisc,
            };
        }

        return qdisc;
    }
}
