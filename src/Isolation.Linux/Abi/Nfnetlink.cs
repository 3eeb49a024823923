namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/netlink.h and linux/netfilter/nfnetlink.h and linux/netfilter.h:
/// the frame of netfilter's messages, and its hooks.</summary>
internal static class Nfnetlink
{
    internal const ushort NFNL_MSG_BATCH_BEGIN = 16;
    internal const ushort NFNL_MSG_BATCH_END = 17;
    internal const ushort NFNL_SUBSYS_NFTABLES = 10;

    internal const uint NFNLGRP_NFTABLES = 7;

    internal const byte NFPROTO_IPV4 = 2;
    internal const byte NFPROTO_IPV6 = 10;

    internal const uint NF_INET_PRE_ROUTING = 0;
    internal const uint NF_INET_LOCAL_IN = 1;
    internal const uint NF_INET_FORWARD = 2;
    internal const uint NF_INET_LOCAL_OUT = 3;
    internal const uint NF_INET_POST_ROUTING = 4;
    internal const uint NF_INET_INGRESS = 5;
    internal const uint NF_NETDEV_INGRESS = 0;
    internal const uint NF_NETDEV_EGRESS = 1;
}
