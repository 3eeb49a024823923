namespace Isolation.Net.Netlink;

/// <summary>The families of netlink that this library speaks: netlink(7).</summary>
public enum NetlinkProtocol
{
    /// <summary><c>NETLINK_ROUTE</c>: links, addresses, routes, rules, neighbours, traffic control. See rtnetlink(7).</summary>
    Route = 0,

    /// <summary><c>NETLINK_NETFILTER</c>: nf_tables, tracked connections.</summary>
    Netfilter = 12,

    /// <summary><c>NETLINK_GENERIC</c>: families that are numbered as they are registered, such as WireGuard.</summary>
    Generic = 16,
}
