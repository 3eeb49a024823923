namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/if_link.h and linux/if_tunnel.h and linux/veth.h and linux/if_bridge.h and linux/if.h:
/// links: their kinds and options.</summary>
internal static class IfLink
{
    internal const ushort IFLA_ADDRESS = 1;
    internal const ushort IFLA_IFNAME = 3;
    internal const ushort IFLA_MTU = 4;
    internal const ushort IFLA_LINK = 5;
    internal const ushort IFLA_QDISC = 6;
    internal const ushort IFLA_MASTER = 10;
    internal const ushort IFLA_TXQLEN = 13;
    internal const ushort IFLA_OPERSTATE = 16;
    internal const ushort IFLA_LINKINFO = 18;
    internal const ushort IFLA_NET_NS_PID = 19;
    internal const ushort IFLA_IFALIAS = 20;
    internal const ushort IFLA_STATS64 = 23;
    internal const ushort IFLA_AF_SPEC = 26;
    internal const ushort IFLA_GROUP = 27;
    internal const ushort IFLA_NET_NS_FD = 28;
    internal const ushort IFLA_EXT_MASK = 29;
    internal const ushort IFLA_NUM_TX_QUEUES = 31;
    internal const ushort IFLA_NUM_RX_QUEUES = 32;
    internal const ushort IFLA_GSO_MAX_SIZE = 41;
    internal const ushort IFLA_LINK_NETNSID = 37;
    internal const ushort IFLA_PROP_LIST = 52;
    internal const ushort IFLA_ALT_IFNAME = 53;

    internal const ushort IFLA_INFO_KIND = 1;
    internal const ushort IFLA_INFO_DATA = 2;
    internal const ushort IFLA_INFO_SLAVE_KIND = 4;
    internal const ushort IFLA_INFO_SLAVE_DATA = 5;
    internal const ushort VETH_INFO_PEER = 1;
    internal const ushort IFLA_INET6_ADDR_GEN_MODE = 8;

    internal const ushort IFLA_BR_FORWARD_DELAY = 1;
    internal const ushort IFLA_BR_HELLO_TIME = 2;
    internal const ushort IFLA_BR_MAX_AGE = 3;
    internal const ushort IFLA_BR_AGEING_TIME = 4;
    internal const ushort IFLA_BR_STP_STATE = 5;
    internal const ushort IFLA_BR_PRIORITY = 6;
    internal const ushort IFLA_BR_VLAN_FILTERING = 7;
    internal const ushort IFLA_BR_GROUP_FWD_MASK = 9;
    internal const ushort IFLA_BR_MCAST_SNOOPING = 23;
    internal const ushort IFLA_BR_VLAN_DEFAULT_PVID = 39;

    internal const ushort IFLA_BRPORT_PRIORITY = 2;
    internal const ushort IFLA_BRPORT_COST = 3;
    internal const ushort IFLA_BRPORT_MODE = 4;
    internal const ushort IFLA_BRPORT_GUARD = 5;
    internal const ushort IFLA_BRPORT_LEARNING = 8;
    internal const ushort IFLA_BRPORT_UNICAST_FLOOD = 9;
    internal const ushort IFLA_BRPORT_MCAST_FLOOD = 27;
    internal const ushort IFLA_BRPORT_BCAST_FLOOD = 30;
    internal const ushort IFLA_BRPORT_ISOLATED = 33;

    internal const ushort IFLA_VLAN_ID = 1;
    internal const ushort IFLA_VLAN_PROTOCOL = 5;
    internal const ushort IFLA_MACVLAN_MODE = 1;
    internal const ushort IFLA_IPVLAN_MODE = 1;
    internal const ushort IFLA_IPVLAN_FLAGS = 2;
    internal const ushort IFLA_VRF_TABLE = 1;

    internal const ushort IFLA_VXLAN_ID = 1;
    internal const ushort IFLA_VXLAN_GROUP = 2;
    internal const ushort IFLA_VXLAN_GROUP6 = 16;
    internal const ushort IFLA_VXLAN_LINK = 3;
    internal const ushort IFLA_VXLAN_LOCAL = 4;
    internal const ushort IFLA_VXLAN_LOCAL6 = 17;
    internal const ushort IFLA_VXLAN_TTL = 5;
    internal const ushort IFLA_VXLAN_LEARNING = 7;
    internal const ushort IFLA_VXLAN_AGEING = 8;
    internal const ushort IFLA_VXLAN_PORT = 15;

    internal const ushort IFLA_TUN_OWNER = 1;
    internal const ushort IFLA_TUN_TYPE = 3;
    internal const ushort IFLA_TUN_PERSIST = 6;

    internal const uint IPVLAN_F_PRIVATE = 1;
    internal const uint IPVLAN_F_VEPA = 2;

    internal const uint IFF_UP = 1;
    internal const uint IFF_BROADCAST = 2;
    internal const uint IFF_LOOPBACK = 8;
    internal const uint IFF_POINTOPOINT = 16;
    internal const uint IFF_RUNNING = 64;
    internal const uint IFF_NOARP = 128;
    internal const uint IFF_PROMISC = 0x100;
    internal const uint IFF_ALLMULTI = 0x200;
    internal const uint IFF_MULTICAST = 0x1000;
    internal const uint IFF_LOWER_UP = 0x10000;
}
