using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>What to do about a refusal, where the error number and the kernel's words do not say it.</summary>
internal static class NetlinkHints
{
    internal static string? Of(NetlinkProtocol protocol, ushort type, Errno errno, ExtendedAck ack) => errno switch
    {
        Errno.EPERM => "It needs CAP_NET_ADMIN in the user namespace that owns the network namespace.",
        Errno.EOPNOTSUPP when type is Rtnetlink.RTM_NEWLINK =>
            "This kernel has no such kind of link, or lacks one of the options: load its module, or use a kernel built with it.",
        Errno.EAFNOSUPPORT when type is Rtnetlink.RTM_NEWLINK =>
            "A link takes settings of IPv6 only once it is there: change it afterwards.",
        Errno.ENOTCONN when type is Rtnetlink.RTM_NEWLINK =>
            "The peer of a veth pair cannot be set up in the request that makes it: set it up afterwards.",
        Errno.ENODEV when type is Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK or Rtnetlink.RTM_GETLINK or Rtnetlink.RTM_SETLINK =>
            "There is no such link in that network namespace.",
        Errno.ENODEV when type is Rtnetlink.RTM_NEWADDR or Rtnetlink.RTM_NEWROUTE or Rtnetlink.RTM_NEWNEIGH or Rtnetlink.RTM_NEWQDISC =>
            "There is no link with that index in that network namespace.",
        Errno.EEXIST when type is Rtnetlink.RTM_NEWADDR => "The link has that address already.",
        Errno.EEXIST when type is Rtnetlink.RTM_NEWLINK => "A link with that name is there already.",
        Errno.EEXIST when type is Rtnetlink.RTM_NEWROUTE => "There is such a route already: replace it, or give another metric.",
        Errno.ENETUNREACH when type is Rtnetlink.RTM_NEWROUTE && ack.Message is null =>
            "The gateway is not on a network that a link of this namespace is on, or the link is down.",
        Errno.ESRCH when type is Rtnetlink.RTM_DELROUTE => "There is no such route.",
        Errno.EADDRNOTAVAIL when type is Rtnetlink.RTM_DELADDR => "The link has no such address.",
        Errno.ENOENT when type is Rtnetlink.RTM_NEWQDISC or Rtnetlink.RTM_NEWTFILTER or Rtnetlink.RTM_NEWTCLASS =>
            "This kernel has no such queueing discipline, filter or action, or its parent is not there: "
                + "load its module, or use a kernel built with it.",
        Errno.EINVAL or Errno.EOPNOTSUPP when protocol == NetlinkProtocol.Netfilter && type >> 8 == NfConntrack.NFNL_SUBSYS_CTNETLINK =>
            "This kernel tracks no connections, or cannot tell of them: "
                + "load nf_conntrack_netlink, or use a kernel built with CONFIG_NF_CT_NETLINK.",
        Errno.ENOENT when protocol == NetlinkProtocol.Netfilter =>
            "There is no such table, chain, set, rule or element, or this kernel has no such expression.",
        Errno.EBUSY when protocol == NetlinkProtocol.Netfilter => "It is still in use: by a rule, or by an element of a map.",
        _ => null,
    };

    internal static string? OfWireguard(Errno errno) => errno switch
    {
        Errno.ENOENT => "This kernel has no WireGuard: load the module wireguard, or use a kernel with CONFIG_WIREGUARD.",
        Errno.ENODEV => "There is no such link in that network namespace.",
        Errno.EOPNOTSUPP => "That link is none of WireGuard.",
        Errno.EADDRINUSE => "Something listens at that port already, in the network namespace where the link was made.",
        Errno.EPERM => "It needs CAP_NET_ADMIN in the user namespace that owns the network namespace.",
        _ => null,
    };
}
