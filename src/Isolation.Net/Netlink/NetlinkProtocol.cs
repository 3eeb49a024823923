namespace Isolation.Net;

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

/// <summary>A message as it was received.</summary>
/// <param name="type">Its type: <c>RTM_NEWLINK</c>.</param>
/// <param name="payload">What follows its header: the fixed struct and the attributes.</param>
/// <param name="state">What the caller passed.</param>
public delegate void NetlinkMessageReader<in TState>(ushort type, ReadOnlySpan<byte> payload, TState state);
