using System.Collections.Immutable;
using System.Diagnostics;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>Moves a link of the host into a container, and gives it back when that is gone:
/// with its name, addresses, routes and other settings, as it was.</summary>
internal sealed class MovedLinkLaunch(ContainerSpec spec, MovedLinkNetwork network) : NetworkConnection(spec)
{
    // For a link whose name the host has given to another one meanwhile; the kernel finds a number.
    private const string OtherName = "link%d";

    private Link? _link;
    private ImmutableArray<Address> _addresses = [];
    private ImmutableArray<Nexthop> _nexthops = [];
    private ImmutableArray<Route> _routes = [];
    private ForgottenSettings? _forgotten;
    private long _taken;
    private RouteSocket? _inside;
    private int? _indexInside;

    private protected override void Connect(PidHandle process, RouteSocket inside)
    {
        using RouteSocket host = RouteSocket.Open();
        Link link = host.GetLink(network.Link);
        // The kernel makes temporary addresses of others again.
        _addresses = [.. host.ReadAddresses(link.Index).Where(a => !IsTemporary(a))];
        ImmutableArray<Nexthop> nexthops = host.ReadNexthops();
        var own = nexthops.Where(n => n.LinkIndex == link.Index).Select(n => n.Id).ToHashSet();
        _nexthops = [.. nexthops.Where(n => own.Contains(n.Id) || n.Group.Any(m => own.Contains(m.Id))).OrderBy(n => !n.Group.IsEmpty)];
        // The kernel makes its own again, and asks routers again.
        _routes = [.. host.ReadRoutes(Route.AllTables).Where(r =>
            IsBy(r, link.Index) && r.Protocol is not (RouteProtocol.Kernel or RouteProtocol.Ra))];
        _forgotten = ForgottenSettings.Read(host, link);
        _link = link;
        _taken = Stopwatch.GetTimestamp();
        // The socket keeps the network namespace, and with it the link, which the kernel would else end with the last process.
        _inside = RouteSocket.Open(process);
        host.Change(new Link { Index = link.Index, Up = false });
        host.Change(new Link { Index = link.Index, Name = Settings.InterfaceName, NetworkNamespaceOfProcess = process.ProcessId });
        _indexInside = inside.GetLink(Settings.InterfaceName).Index;
        if (Settings.HardwareAddress is { } hardware)
            inside.Change(new Link { Index = _indexInside.Value, Address = hardware });
        Configure(inside, process, network.Addresses.Select(ParentLinkLaunch.AddressOf), network.Gateway is { } gateway ? [gateway] : []);
    }

    internal override void Release()
    {
        if (Interlocked.Exchange(ref _inside, null) is not { } inside)
            return;
        using (inside)
        using (RouteSocket host = RouteSocket.Open())
        {
            Link? back = _indexInside is { } index ? MoveBack(inside, host, index) : host.FindLink(_link!.Name!);
            if (back is not null)
                Restore(host, back);
        }
    }

    /// <summary>The link on the host again; null where a container with CAP_NET_ADMIN has deleted it.</summary>
    private Link? MoveBack(RouteSocket inside, RouteSocket host, int index)
    {
        if (inside.ReadLinks(statistics: false).FirstOrDefault(l => l.Index == index) is not { } link)
            return null;
        using LinuxHandle own = NetworkNamespace.Open();
        var present = host.ReadLinks(statistics: false).Select(l => l.Index).ToHashSet();
        // A link is renamed while it is down, and before: the kernel moves it under the name that it has where that is free.
        Try(() => inside.Change(new Link { Index = index, Up = false }));
        Try(() => inside.Change(new Link { Index = index, Name = _link!.Name }));
        try
        {
            inside.Change(new Link { Index = index, NetworkNamespace = own });
        }
        catch (NetlinkException e) when (e.Errno == Errno.EEXIST)
        {
            // Better under another name than lost.
            inside.Change(new Link { Index = index, Name = OtherName, NetworkNamespace = own });
        }

        return host.ReadLinks(statistics: false).FirstOrDefault(l => !present.Contains(l.Index) && Equals(l.Address, link.Address));
    }

    private void Restore(RouteSocket host, Link back)
    {
        var changes = new Link
        {
            Index = back.Index,
            Mtu = back.Mtu == _link!.Mtu ? null : _link.Mtu,
            Address = Equals(back.Address, _link.Address) ? null : _link.Address,
            Master = _link.Master,
            AddressGeneration = _link.AddressGeneration,
        };
        Try(() => host.Change(changes));
        _forgotten!.RestoreSysctls(back.Name!);
        // On its own: the kernel makes a link-local address when the link comes up, in the way that it has been told by then.
        if (_link.Up == true)
            Try(() => host.Change(new Link { Index = back.Index, Up = true }));
        TimeSpan away = Stopwatch.GetElapsedTime(_taken);
        foreach (Address address in _addresses.Where(a => a.ValidLifetime is null || a.ValidLifetime > away))
        {
            Address again = address with
            {
                LinkIndex = back.Index,
                Flags = address.Flags | (IsV6(address) ? AddressFlags.NoDad : AddressFlags.None),
                ValidLifetime = address.ValidLifetime - away,
                PreferredLifetime = address.PreferredLifetime is { } preferred ? Max(preferred - away, TimeSpan.Zero) : null,
            };
            Try(() => host.Replace(again));
        }

        _forgotten.Restore(host, back.Index);
        foreach (Nexthop nexthop in _nexthops)
            Try(() => host.Replace(nexthop.LinkIndex is null ? nexthop : nexthop with { LinkIndex = back.Index }));
        // Routers must be in reach before ways through them are.
        foreach (Route route in _routes.OrderBy(r => r.Gateway is not null || !r.Multipath.IsEmpty))
            Try(() => host.Replace(Moved(route, _link.Index, back.Index)));
    }

    private static bool IsV6(Address address) => address.Local.AddressFamily == AddressFamily.InterNetworkV6;

    private static bool IsTemporary(Address address) => IsV6(address) && address.Flags.HasFlag(AddressFlags.Secondary);

    private static bool IsBy(Route route, int link) => route.LinkIndex == link || route.Multipath.Any(h => h.LinkIndex == link);

    private static Route Moved(Route route, int from, int to) => route with
    {
        LinkIndex = route.LinkIndex is null ? null : to,
        Multipath = [.. route.Multipath.Select(h => h.LinkIndex == from ? h with { LinkIndex = to } : h)],
    };

    private static TimeSpan Max(TimeSpan one, TimeSpan other) => one > other ? one : other;

    // One that cannot be had again is no reason to leave out the others.
    private static void Try(Action action)
    {
        try
        {
            action();
        }
        catch (NetlinkException)
        {
            // a link that it was a part of is gone, or a router out of reach
        }
    }
}
