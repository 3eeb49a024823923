namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/netfilter/nfnetlink_conntrack.h and linux/netfilter/nf_conntrack_common.h: tracked connections.</summary>
internal static class NfConntrack
{
    internal const ushort NFNL_SUBSYS_CTNETLINK = 1;

    internal const ushort IPCTNL_MSG_CT_NEW = 0;
    internal const ushort IPCTNL_MSG_CT_GET = 1;
    internal const ushort IPCTNL_MSG_CT_DELETE = 2;

    internal const ushort CTA_TUPLE_ORIG = 1;
    internal const ushort CTA_TUPLE_REPLY = 2;
    internal const ushort CTA_STATUS = 3;
    internal const ushort CTA_TIMEOUT = 7;
    internal const ushort CTA_MARK = 8;
    internal const ushort CTA_ID = 12;
    internal const ushort CTA_ZONE = 18;

    internal const ushort CTA_TUPLE_IP = 1;
    internal const ushort CTA_TUPLE_PROTO = 2;

    internal const ushort CTA_IP_V4_SRC = 1;
    internal const ushort CTA_IP_V4_DST = 2;
    internal const ushort CTA_IP_V6_SRC = 3;
    internal const ushort CTA_IP_V6_DST = 4;

    internal const ushort CTA_PROTO_NUM = 1;
    internal const ushort CTA_PROTO_SRC_PORT = 2;
    internal const ushort CTA_PROTO_DST_PORT = 3;
    internal const ushort CTA_PROTO_ICMP_ID = 4;
    internal const ushort CTA_PROTO_ICMP_TYPE = 5;
    internal const ushort CTA_PROTO_ICMP_CODE = 6;
    internal const ushort CTA_PROTO_ICMPV6_ID = 7;
    internal const ushort CTA_PROTO_ICMPV6_TYPE = 8;
    internal const ushort CTA_PROTO_ICMPV6_CODE = 9;

    internal const uint IPS_EXPECTED = 1;
    internal const uint IPS_SEEN_REPLY = 2;
    internal const uint IPS_ASSURED = 4;
    internal const uint IPS_CONFIRMED = 8;
    internal const uint IPS_SRC_NAT = 16;
    internal const uint IPS_DST_NAT = 32;
    internal const uint IPS_DYING = 512;
}
