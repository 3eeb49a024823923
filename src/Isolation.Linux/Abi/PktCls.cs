namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/pkt_cls.h and linux/tc_act/tc_mirred.h and linux/tc_act/tc_skbedit.h and linux/tc_act/tc_gact.h and
/// linux/tc_act/tc_bpf.h: filters and actions.</summary>
internal static class PktCls
{
    internal const ushort TCA_U32_CLASSID = 1;
    internal const ushort TCA_U32_SEL = 5;
    internal const ushort TCA_U32_ACT = 7;

    internal const ushort TCA_FLOWER_CLASSID = 1;
    internal const ushort TCA_FLOWER_ACT = 3;
    internal const ushort TCA_FLOWER_KEY_ETH_DST = 4;
    internal const ushort TCA_FLOWER_KEY_ETH_SRC = 6;
    internal const ushort TCA_FLOWER_KEY_ETH_TYPE = 8;
    internal const ushort TCA_FLOWER_KEY_IP_PROTO = 9;
    internal const ushort TCA_FLOWER_KEY_IPV4_SRC = 10;
    internal const ushort TCA_FLOWER_KEY_IPV4_SRC_MASK = 11;
    internal const ushort TCA_FLOWER_KEY_IPV4_DST = 12;
    internal const ushort TCA_FLOWER_KEY_IPV4_DST_MASK = 13;
    internal const ushort TCA_FLOWER_KEY_IPV6_SRC = 14;
    internal const ushort TCA_FLOWER_KEY_IPV6_SRC_MASK = 15;
    internal const ushort TCA_FLOWER_KEY_IPV6_DST = 16;
    internal const ushort TCA_FLOWER_KEY_IPV6_DST_MASK = 17;
    internal const ushort TCA_FLOWER_KEY_TCP_SRC = 18;
    internal const ushort TCA_FLOWER_KEY_TCP_DST = 19;
    internal const ushort TCA_FLOWER_KEY_UDP_SRC = 20;
    internal const ushort TCA_FLOWER_KEY_UDP_DST = 21;
    internal const ushort TCA_FLOWER_KEY_SCTP_SRC = 41;
    internal const ushort TCA_FLOWER_KEY_SCTP_DST = 42;

    internal const ushort TCA_MATCHALL_CLASSID = 1;
    internal const ushort TCA_MATCHALL_ACT = 2;

    internal const ushort TCA_BPF_ACT = 1;
    internal const ushort TCA_BPF_CLASSID = 3;
    internal const ushort TCA_BPF_OPS_LEN = 4;
    internal const ushort TCA_BPF_OPS = 5;
    internal const ushort TCA_BPF_FD = 6;
    internal const ushort TCA_BPF_NAME = 7;
    internal const ushort TCA_BPF_FLAGS = 8;
    internal const ushort TCA_BPF_ID = 11;

    internal const ushort TCA_CGROUP_ACT = 1;

    internal const ushort TCA_ACT_KIND = 1;
    internal const ushort TCA_ACT_OPTIONS = 2;

    internal const ushort TCA_POLICE_TBF = 1;
    internal const ushort TCA_POLICE_RATE = 2;
    internal const ushort TCA_POLICE_RESULT = 5;
    internal const ushort TCA_POLICE_RATE64 = 8;

    internal const ushort TCA_MIRRED_PARMS = 2;
    internal const ushort TCA_SKBEDIT_PARMS = 2;
    internal const ushort TCA_SKBEDIT_PRIORITY = 3;
    internal const ushort TCA_SKBEDIT_MARK = 5;
    internal const ushort TCA_SKBEDIT_QUEUE_MAPPING = 4;
    internal const ushort TCA_GACT_PARMS = 2;

    internal const byte TC_U32_TERMINAL = 1;

    internal const int TCA_EGRESS_REDIR = 1;
    internal const int TCA_EGRESS_MIRROR = 2;
    internal const int TCA_INGRESS_REDIR = 3;
    internal const int TCA_INGRESS_MIRROR = 4;

    internal const uint TCA_BPF_FLAG_ACT_DIRECT = 1;
}
