using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.TrafficControl;

namespace Isolation.Net.Routing;

/// <summary>Tells of changes to the network configuration of one network namespace, from the moment that it is opened:
/// <c>ip monitor</c>.</summary>
/// <example><code>
/// using RouteMonitor monitor = RouteMonitor.Open(RouteGroups.Links);
/// await foreach (RouteEvent e in monitor.ReadAllAsync(cancellationToken))
///     Console.WriteLine(e);
/// </code></example>
public sealed class RouteMonitor : IDisposable
{
    private static readonly (RouteGroups Group, uint[] Numbers)[] s_groups =
    [
        (RouteGroups.Links, [Rtnetlink.RTNLGRP_LINK]),
        (RouteGroups.Addresses, [Rtnetlink.RTNLGRP_IPV4_IFADDR, Rtnetlink.RTNLGRP_IPV6_IFADDR]),
        (RouteGroups.Routes, [Rtnetlink.RTNLGRP_IPV4_ROUTE, Rtnetlink.RTNLGRP_IPV6_ROUTE]),
        (RouteGroups.Neighbours, [Rtnetlink.RTNLGRP_NEIGH]),
        (RouteGroups.Rules, [Rtnetlink.RTNLGRP_IPV4_RULE, Rtnetlink.RTNLGRP_IPV6_RULE]),
        (RouteGroups.TrafficControl, [Rtnetlink.RTNLGRP_TC]),
    ];

    private readonly NetlinkMonitor<RouteEvent> _monitor;

    private RouteMonitor(NetlinkSocket socket) => _monitor = new NetlinkMonitor<RouteEvent>(socket, Read);

    /// <summary>Opens a monitor, which yields the changes that happen from now on.</summary>
    /// <param name="groups">The kinds of changes.</param>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static RouteMonitor Open(RouteGroups groups, LinuxHandle? networkNamespace = null)
    {
        NetlinkSocket socket = NetlinkSocket.Open(NetlinkProtocol.Route, networkNamespace);
        try
        {
            foreach ((RouteGroups group, uint[] numbers) in s_groups)
            {
                foreach (uint number in groups.HasFlag(group) ? numbers : [])
                    socket.Join(number);
            }

            return new RouteMonitor(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The changes, as they happen, without end. One reader at a time; another one that begins later goes on where that
    /// stopped.</summary>
    /// <exception cref="NetlinkException"><c>ENOBUFS</c>: the kernel dropped changes that did not fit its buffer, so that what was read
    /// before
    /// is stale. A reader that begins then gets the changes from there on.</exception>
    public IAsyncEnumerable<RouteEvent> ReadAllAsync(CancellationToken cancellationToken = default) =>
        _monitor.ReadAllAsync(cancellationToken);

    /// <summary>Closes the monitor; a reader comes to the end.</summary>
    public void Dispose() => _monitor.Dispose();

    internal static RouteEvent? Read(ushort type, ReadOnlySpan<byte> payload) => type switch
    {
        Rtnetlink.RTM_NEWLINK or Rtnetlink.RTM_DELLINK => new RouteEvent(Link.Read(payload), type == Rtnetlink.RTM_DELLINK),
        Rtnetlink.RTM_NEWADDR or Rtnetlink.RTM_DELADDR => new RouteEvent(Address.Read(payload), type == Rtnetlink.RTM_DELADDR),
        Rtnetlink.RTM_NEWROUTE or Rtnetlink.RTM_DELROUTE => new RouteEvent(Route.Read(payload), type == Rtnetlink.RTM_DELROUTE),
        Rtnetlink.RTM_NEWNEIGH or Rtnetlink.RTM_DELNEIGH => Neighbour.Read(payload) is { } neighbour
            ? new RouteEvent(neighbour, type == Rtnetlink.RTM_DELNEIGH)
            : null,
        Rtnetlink.RTM_NEWRULE or Rtnetlink.RTM_DELRULE => new RouteEvent(Rule.Read(payload), type == Rtnetlink.RTM_DELRULE),
        Rtnetlink.RTM_NEWQDISC or Rtnetlink.RTM_DELQDISC => new RouteEvent(Qdisc.Read(payload), type == Rtnetlink.RTM_DELQDISC),
        Rtnetlink.RTM_NEWTCLASS or Rtnetlink.RTM_DELTCLASS => new RouteEvent(TcClass.Read(payload), type == Rtnetlink.RTM_DELTCLASS),
        Rtnetlink.RTM_NEWTFILTER or Rtnetlink.RTM_DELTFILTER => TcFilter.Read(payload) is { } filter
            ? new RouteEvent(filter, type == Rtnetlink.RTM_DELTFILTER)
            : null,
        _ => null,
    };
}
