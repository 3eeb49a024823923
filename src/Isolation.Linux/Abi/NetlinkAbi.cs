namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/netlink.h: the frame of every netlink message, and socket options.</summary>
internal static class NetlinkAbi
{
    internal const uint NETLINK_ROUTE = 0;
    internal const uint NETLINK_NETFILTER = 12;
    internal const uint NETLINK_ADD_MEMBERSHIP = 1;
    internal const uint NETLINK_CAP_ACK = 10;
    internal const uint NETLINK_EXT_ACK = 11;
    internal const uint NETLINK_GET_STRICT_CHK = 12;

    internal const ushort NLMSG_ERROR = 2;
    internal const ushort NLMSG_DONE = 3;
    internal const ushort NLMSG_MIN_TYPE = 16;

    internal const ushort NLM_F_REQUEST = 1;
    internal const ushort NLM_F_ACK = 4;
    internal const ushort NLM_F_DUMP_INTR = 16;
    internal const ushort NLM_F_DUMP = 0x300;
    internal const ushort NLM_F_REPLACE = 0x100;
    internal const ushort NLM_F_EXCL = 0x200;
    internal const ushort NLM_F_CREATE = 0x400;
    internal const ushort NLM_F_APPEND = 0x800;
    internal const ushort NLM_F_CAPPED = 0x100;
    internal const ushort NLM_F_ACK_TLVS = 0x200;

    internal const ushort NLA_F_NESTED = 0x8000;
    internal const int NLA_TYPE_MASK = -49153;

    internal const ushort NLMSGERR_ATTR_MSG = 1;
    internal const ushort NLMSGERR_ATTR_OFFS = 2;
    internal const ushort NLMSGERR_ATTR_MISS_TYPE = 5;
    internal const ushort NLMSGERR_ATTR_MISS_NEST = 6;
}
