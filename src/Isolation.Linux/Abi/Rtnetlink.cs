namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/rtnetlink.h: messages, groups and attributes of routes.</summary>
internal static class Rtnetlink
{
    internal const ushort RTM_NEWLINK = 16;
    internal const ushort RTM_DELLINK = 17;
    internal const ushort RTM_GETLINK = 18;
    internal const ushort RTM_SETLINK = 19;
    internal const ushort RTM_NEWADDR = 20;
    internal const ushort RTM_DELADDR = 21;
    internal const ushort RTM_GETADDR = 22;
    internal const ushort RTM_NEWROUTE = 24;
    internal const ushort RTM_DELROUTE = 25;
    internal const ushort RTM_GETROUTE = 26;
    internal const ushort RTM_NEWNEIGH = 28;
    internal const ushort RTM_DELNEIGH = 29;
    internal const ushort RTM_GETNEIGH = 30;
    internal const ushort RTM_NEWRULE = 32;
    internal const ushort RTM_DELRULE = 33;
    internal const ushort RTM_GETRULE = 34;
    internal const ushort RTM_NEWQDISC = 36;
    internal const ushort RTM_DELQDISC = 37;
    internal const ushort RTM_GETQDISC = 38;
    internal const ushort RTM_NEWTCLASS = 40;
    internal const ushort RTM_DELTCLASS = 41;
    internal const ushort RTM_GETTCLASS = 42;
    internal const ushort RTM_NEWTFILTER = 44;
    internal const ushort RTM_DELTFILTER = 45;
    internal const ushort RTM_GETTFILTER = 46;
    internal const ushort RTM_NEWNSID = 88;
    internal const ushort RTM_NEWNEXTHOP = 104;
    internal const ushort RTM_DELNEXTHOP = 105;
    internal const ushort RTM_GETNEXTHOP = 106;
    internal const ushort RTM_GETNEXTHOPBUCKET = 118;
    internal const ushort RTM_NEWLINKPROP = 108;
    internal const ushort RTM_DELLINKPROP = 109;

    internal const uint RTNLGRP_LINK = 1;
    internal const uint RTNLGRP_NEIGH = 3;
    internal const uint RTNLGRP_TC = 4;
    internal const uint RTNLGRP_IPV4_IFADDR = 5;
    internal const uint RTNLGRP_IPV6_IFADDR = 9;
    internal const uint RTNLGRP_IPV4_ROUTE = 7;
    internal const uint RTNLGRP_IPV6_ROUTE = 11;
    internal const uint RTNLGRP_IPV4_RULE = 8;
    internal const uint RTNLGRP_IPV6_RULE = 19;

    internal const uint RTEXT_FILTER_SKIP_STATS = 8;

    internal const byte RT_TABLE_COMPAT = 252;
    internal const byte RT_TABLE_MAIN = 254;
    internal const byte RT_TABLE_LOCAL = 255;

    internal const uint RTNH_F_ONLINK = 4;

    internal const ushort RTA_DST = 1;
    internal const ushort RTA_SRC = 2;
    internal const ushort RTA_IIF = 3;
    internal const ushort RTA_OIF = 4;
    internal const ushort RTA_GATEWAY = 5;
    internal const ushort RTA_PRIORITY = 6;
    internal const ushort RTA_PREFSRC = 7;
    internal const ushort RTA_METRICS = 8;
    internal const ushort RTA_MULTIPATH = 9;
    internal const ushort RTA_CACHEINFO = 12;
    internal const ushort RTA_TABLE = 15;
    internal const ushort RTA_MARK = 16;
    internal const ushort RTA_MFC_STATS = 17;
    internal const ushort RTA_VIA = 18;
    internal const ushort RTA_EXPIRES = 23;
    internal const ushort RTA_PAD = 24;
    internal const ushort RTA_UID = 25;
    internal const ushort RTA_IP_PROTO = 27;
    internal const ushort RTA_SPORT = 28;
    internal const ushort RTA_DPORT = 29;
    internal const ushort RTA_NH_ID = 30;

    internal const ushort RTAX_MTU = 2;
    internal const ushort RTAX_WINDOW = 3;
    internal const ushort RTAX_ADVMSS = 8;
    internal const ushort RTAX_HOPLIMIT = 10;
    internal const ushort RTAX_INITCWND = 11;
    internal const ushort RTAX_INITRWND = 14;

    internal const ushort TCA_KIND = 1;
    internal const ushort TCA_OPTIONS = 2;
    internal const ushort TCA_STATS2 = 7;
}
