namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/pkt_sched.h and linux/gen_stats.h: queueing disciplines.</summary>
internal static class PktSched
{
    internal const ushort TCA_STATS_BASIC = 1;
    internal const ushort TCA_STATS_QUEUE = 3;
    internal const ushort TCA_STATS_PKT64 = 8;

    internal const uint TC_H_ROOT = 0xffffffff;
    internal const uint TC_H_INGRESS = 0xfffffff1;

    internal const ushort TC_H_MIN_INGRESS = 0xfff2;
    internal const ushort TC_H_MIN_EGRESS = 0xfff3;

    internal const ushort TCA_TBF_PARMS = 1;
    internal const ushort TCA_TBF_RATE64 = 4;
    internal const ushort TCA_TBF_PRATE64 = 5;
    internal const ushort TCA_TBF_BURST = 6;
    internal const ushort TCA_TBF_PBURST = 7;

    internal const ushort TCA_HTB_PARMS = 1;
    internal const ushort TCA_HTB_INIT = 2;
    internal const ushort TCA_HTB_DIRECT_QLEN = 5;
    internal const ushort TCA_HTB_RATE64 = 6;
    internal const ushort TCA_HTB_CEIL64 = 7;

    internal const ushort TCA_FQ_CODEL_TARGET = 1;
    internal const ushort TCA_FQ_CODEL_LIMIT = 2;
    internal const ushort TCA_FQ_CODEL_INTERVAL = 3;
    internal const ushort TCA_FQ_CODEL_ECN = 4;
    internal const ushort TCA_FQ_CODEL_FLOWS = 5;
    internal const ushort TCA_FQ_CODEL_QUANTUM = 6;
    internal const ushort TCA_FQ_CODEL_MEMORY_LIMIT = 9;

    internal const ushort TCA_NETEM_REORDER = 3;
    internal const ushort TCA_NETEM_CORRUPT = 4;
    internal const ushort TCA_NETEM_RATE = 6;
    internal const ushort TCA_NETEM_RATE64 = 8;
    internal const ushort TCA_NETEM_LATENCY64 = 10;
    internal const ushort TCA_NETEM_JITTER64 = 11;
}
