using System.Net;
using System.Net.NetworkInformation;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>Connects a container to a bridge network: a lease, a pair of links, published ports.</summary>
internal sealed partial class BridgeNetworkLaunch(ContainerSpec spec, BridgeNetwork wanted) : NetworkConnection(spec)
{
    // So many leases, and other networks, a start looks at for what was left by processes that were killed: all would take longer with each
    // container.
    private const int SweptLeases = 32, SweptNetworks = 8;

    private BridgeNetwork? _resolved;
    private NetworkLease? _lease;
    private string? _hostsPath;
    private LoopbackRelay? _relay;
    private PortHold? _hold;

    /// <summary>The network as it is: with its subnets.</summary>
    private BridgeNetwork Network => _resolved!;

    internal override string? HostsPath => _hostsPath;

    internal override IPAddress? Address => _lease?.Address;

    internal override IPAddress? AddressV6 => _lease?.AddressV6;

    private protected override void Take() => NetworkState.Do(() =>
    {
        using NetworkState state = NetworkState.Open(StartCancelled);
        using RouteSocket route = RouteSocket.Open();
        Sweep(state, route, keep: wanted.Name);
        _resolved = Resolve(state, route);
        CheckName(state, route);
        _hold = PortHold.Begin();
        CheckPorts(state, route, _hold);
        _relay = LoopbackRelay.Listen(Settings.Ports);
        NetworkLease lease = Lease(state, route);
        lease = lease with { SharesHosts = state.CanShareHosts(lease) };
        if (state.FindNetwork(Network.Name) is null)
            state.WriteNetwork(Network);
        _lease = lease;
        state.Add(lease);
        new BridgeSetup(Network).Ensure(route, () => [.. state.ReadLeases(Network.Name).Where(l => l.Id != lease.Id)]);
        return _hostsPath = state.HostsPath(lease);
    });

    private protected override void Connect(PidHandle process, RouteSocket inside)
    {
        using RouteSocket host = RouteSocket.Open();
        int bridge = host.GetLink(Network.LinkName).Index;
        host.Add(new VethLink
        {
            Name = _lease!.HostLink,
            Master = bridge,
            Mtu = Network.Mtu,
            TransmitQueueLength = 1000,
            Peer = new Link
            {
                Name = Settings.InterfaceName,
                Mtu = Network.Mtu,
                Address = Settings.HardwareAddress ?? MakeHardwareAddress(_lease.Address),
                NetworkNamespaceOfProcess = process.ProcessId,
            },
        });
        // The host's end has no address of its own.
        WithoutOwnAddress(host, _lease.HostLink);
        host.Change(new Link { Name = _lease.HostLink, Up = true });
        if (_lease.AddressV6 is null)
            WithoutOwnAddress(inside, Settings.InterfaceName);
        (IPAddress, int)[] v6 = _lease.AddressV6 is { } address ? [(address, Network.SubnetV6!.Value.PrefixLength)] : [];
        IPAddress[] gateways = Network.Internal
            ? []
            : [Network.Gateway!, .. v6.Length > 0 ? [Network.GatewayV6!] : Array.Empty<IPAddress>()];
        Configure(inside, process, [(_lease.Address, Network.Subnet!.Value.PrefixLength), .. v6], gateways);
        // From now on it is the container's, whatever becomes of this process.
        NetworkLease owned = _lease.OwnedBy(process.ProcessId);
        using (NetworkState state = NetworkState.Open(StartCancelled))
            state.WriteLease(owned);
        _lease = owned;
        new BridgeSetup(Network).Publish(owned);
        BridgeSetup.ForgetDatagrams([owned], host);
        _relay?.Start(owned.AddressV6 is { } v6Address ? [owned.Address, v6Address] : [owned.Address]);
    }

    private static void WithoutOwnAddress(RouteSocket route, string link)
    {
        try
        {
            route.Change(new Link { Name = link, AddressGeneration = AddressGeneration.None });
        }
        catch (NetlinkException e) when (e.Errno is Errno.EAFNOSUPPORT or Errno.EINVAL or Errno.EOPNOTSUPP)
        {
            // a kernel, or a link, without IPv6: it makes none
        }
    }

    internal override void Release()
    {
        Interlocked.Exchange(ref _relay, null)?.Dispose();
        Interlocked.Exchange(ref _hold, null)?.Dispose();
        if (Interlocked.Exchange(ref _lease, null) is not { } lease)
            return;
        try
        {
            Release(lease);
        }
        catch
        {
            _lease = lease; // for another attempt
            throw;
        }
    }

    private void Release(NetworkLease lease)
    {
        using NetworkState state = NetworkState.Open();
        // Somebody else may have swept it already, and given its number away.
        if (!state.Holds(lease))
            return;
        using RouteSocket route = RouteSocket.Open();
        Drop(lease, route);
        state.DeleteLease(lease);
        Settle(state, route, Network, [lease]);
    }

    /// <summary>Removes all that containers that are gone have left; a start looks at some.</summary>
    internal static void Sweep()
    {
        using NetworkState state = NetworkState.Open();
        using RouteSocket route = RouteSocket.Open();
        state.DropStrayNetworks();
        foreach (string name in state.ReadNames())
            Sweep(state, route, name, int.MaxValue, isKept: false);
    }

    private static void Sweep(NetworkState state, RouteSocket route, string keep)
    {
        state.DropStrayNetworks();
        string[] others = [.. state.ReadNames().Where(n => n != keep)];
        int first = others.Length <= SweptNetworks ? 0 : Random.Shared.Next(others.Length);
        for (int i = 0; i < Math.Min(others.Length, SweptNetworks); i++)
            Sweep(state, route, others[(first + i) % others.Length], SweptLeases, isKept: false);
        Sweep(state, route, keep, SweptLeases, isKept: true);
    }

    private static void Sweep(NetworkState state, RouteSocket route, string name, int most, bool isKept)
    {
        if (state.FindNetwork(name) is not { } network)
            return;
        state.DropStray(name);
        List<NetworkLease> dropped = state.DropDead(name, most, lease => Drop(lease, route));
        if (dropped.Count > 0 || (!isKept && state.ReadIndices(name).Length == 0))
            Settle(state, route, network, dropped);
        else
            new BridgeSetup(network).Restore(() => state.ReadLeases(name), route);
    }

    /// <summary>After leases are gone: the ports and names of those that are left, or nothing at all.</summary>
    private static void Settle(NetworkState state, RouteSocket route, BridgeNetwork network, List<NetworkLease> gone)
    {
        var setup = new BridgeSetup(network);
        if (state.ReadIndices(network.Name).Length == 0)
        {
            setup.Remove(route);
            state.DeleteNetwork(network.Name);
        }
        else if (gone.Any(l => !l.Ports.IsEmpty))
        {
            setup.Withdraw(gone, () => state.ReadLeases(network.Name));
        }

        BridgeSetup.ForgetDatagrams(gone, route);
    }

    /// <summary>Those that claim a name or a port, and live; the others are dropped.</summary>
    private static IEnumerable<NetworkLease> Claimants(NetworkState state, RouteSocket route, string claim)
    {
        foreach (NetworkLease lease in state.Claimants(claim).ToArray())
        {
            if (!IsDropped(state, route, lease))
                yield return lease;
        }
    }

    /// <summary>Drops a lease whose process is gone.</summary>
    private static bool IsDropped(NetworkState state, RouteSocket route, NetworkLease lease)
    {
        if (lease.IsAlive)
            return false;
        Drop(lease, route);
        state.DeleteLease(lease);
        if (state.FindNetwork(lease.Network) is { } network)
            Settle(state, route, network, [lease]);
        return true;
    }

    // Gone with the container's network namespace, but for a moment, or where that was never reached.
    private static void Drop(NetworkLease lease, RouteSocket route)
    {
        try
        {
            route.Delete(new Link { Name = lease.HostLink });
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENODEV)
        {
            // it is gone
        }
    }

    private BridgeNetwork Resolve(NetworkState state, RouteSocket route)
    {
        if (state.FindNetwork(wanted.Name) is { } used)
            return Same(used);
        BridgeNetwork? definition = ContainerNetworks.FindDefinition(wanted.Name);
        if (definition is not null)
            Subnets.RequireUnused(definition, route);
        BridgeNetwork network = definition is null
            ? Subnets.Complete(wanted, [.. ContainerNetworks.ReadDefinitions(), .. state.ReadNetworks()], route)
            : Same(definition);
        if (network.SubnetV6 is null || BridgeSetup.HostHasIPv6())
            return network;
        return wanted.SubnetV6 is null && Settings.AddressV6 is null ? network with { SubnetV6 = null }
            : throw new LinuxException("make", network.Describe(), "RTM_NEWADDR", Errno.EAFNOSUPPORT,
                remedy: "This host has no IPv6: leave out IPv6 subnets and addresses, or set net.ipv6.conf.default.disable_ipv6 to 0.");
    }

    // A network is named, or described; a description must fit what is there.
    private BridgeNetwork Same(BridgeNetwork present)
    {
        bool fits = (wanted.Subnet is null || wanted.Subnet.Equals(present.Subnet))
            && (wanted.SubnetV6 is null || wanted.SubnetV6.Equals(present.SubnetV6))
            && (wanted == new BridgeNetwork(wanted.Name) || (wanted.Internal, wanted.IPv6) == (present.Internal, present.IPv6));
        return fits
            ? present
            : throw new LinuxException("use", wanted.Describe(), "RTM_NEWLINK", Errno.EEXIST,
                remedy: "There is one with that name and other settings: "
                    + $"subnet {present.Subnet}, {present.SubnetV6?.ToString() ?? "no IPv6"}{(present.Internal ? ", internal" : "")}.");
    }

    /// <summary>Others find a container by its name: two of them under one name would take each other's clients.
    /// Names of hosts are alike in either case.</summary>
    private void CheckName(NetworkState state, RouteSocket route)
    {
        if (Spec.Name is not { } name)
            return;
        foreach (NetworkLease other in Claimants(state, route, NetworkLease.NameClaim(name)))
            throw new LinuxException("take", $"the name \"{name}\"", "link(2)", Errno.EEXIST,
                remedy: $"A container of network \"{other.Network}\" has it: process {other.ProcessId}.");
    }

    /// <summary>A port that somebody has already cannot lead to this container too: another container's, or a listening program's of the
    /// host.</summary>
    private void CheckPorts(NetworkState state, RouteSocket route, PortHold hold)
    {
        foreach (PublishedPort port in Settings.Ports)
        {
            foreach (NetworkLease other in Enumerable.Range(0, port.Count).SelectMany(i =>
                Claimants(state, route, NetworkLease.PortClaim(port, i))))
            {
                if (other.Ports.Any(p => p.Overlaps(port)))
                    throw Taken(port, $"Container {other.Names.FirstOrDefault(other.Id)} of network \"{other.Network}\" has it.");
            }

            // From ::1 a relay leads to IPv4 as well.
            if (Network.SubnetV6 is null && !port.IsOf(v6: false) && !IPAddress.IPv6Loopback.Equals(port.HostAddress))
                throw new LinuxException("publish port", port.ToString(), "NFT_MSG_NEWSETELEM", Errno.EAFNOSUPPORT,
                    remedy: $"Network \"{Network.Name}\" has no IPv6.");
            for (int i = 0; i < port.Count; i++)
                hold.Take(port, i, Addresses(port));
        }
    }

    /// <summary>Where programs of the host would listen that the port passes by: on any address of a family, one of them is
    /// enough.</summary>
    private IEnumerable<IPAddress> Addresses(PublishedPort port)
    {
        if (port.OneAddress is { } address)
            return [address];
        bool v6 = port.IsOf(v6: true) && Network.SubnetV6 is not null;
        // The loopback for itself, for the text of the refusal.
        IPAddress[] ofV4 = port.IsOf(v6: false) ? [IPAddress.Any] : [], ofV6 = v6 ? [IPAddress.IPv6Loopback, IPAddress.IPv6Any] : [];
        return [.. ofV4, .. ofV6];
    }

    private static LinuxException Taken(PublishedPort port, string hint) =>
        new("publish port", port.ToString(), "bind(2)", Errno.EADDRINUSE, remedy: hint);

    internal static PhysicalAddress MakeHardwareAddress(IPAddress address) => new([0x02, 0x42, .. address.GetAddressBytes()]);
}
