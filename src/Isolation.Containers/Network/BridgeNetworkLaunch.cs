using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using System.Net.Sockets;
using System.Security.Cryptography;
using Isolation.Linux;
using Isolation.Net;

namespace Isolation.Containers;

/// <summary>Connects a container to a bridge network: a lease, a pair of links, published ports.</summary>
internal sealed class BridgeNetworkLaunch(ContainerSpec spec, BridgeNetwork wanted) : NetworkConnection(spec)
{
    private BridgeNetwork? _resolved;
    private NetworkLease? _lease;
    private string? _hostsPath;
    private LoopbackRelay? _relay;

    /// <summary>The network as it is: with its subnets.</summary>
    private BridgeNetwork Network => _resolved!;

    internal override string? HostsPath => _hostsPath;

    internal override IPAddress? Address => _lease?.Address;

    internal override IPAddress? AddressV6 => _lease?.AddressV6;

    private protected override void Take()
    {
        using NetworkState state = NetworkState.Open();
        using RouteSocket route = RouteSocket.Open();
        Sweep(state, route, keep: wanted.Name);
        _resolved = Resolve(state, route);
        ImmutableArray<NetworkLease> leases = state.ReadLeases(Network.Name);
        CheckPorts(state);
        _relay = LoopbackRelay.Listen(Settings.Ports);
        NetworkLease lease = Lease(leases);
        state.WriteNetwork(Network);
        state.WriteLease(lease);
        _lease = lease;
        new BridgeSetup(Network).Ensure(route);
        state.WriteHosts(Network.Name);
        _hostsPath = state.HostsPath(lease);
    }

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
        host.Change(new Link { Name = _lease.HostLink, Up = true, AddressGeneration = AddressGeneration.None });
        if (_lease.AddressV6 is null)
            inside.Change(new Link { Name = Settings.InterfaceName, AddressGeneration = AddressGeneration.None });
        (IPAddress, int)[] v6 = _lease.AddressV6 is { } address ? [(address, Network.SubnetV6!.Value.PrefixLength)] : [];
        IPAddress[] gateways = Network.Internal ? [] : [Network.Gateway!, .. v6.Length > 0 ? [Network.GatewayV6!] : Array.Empty<IPAddress>()];
        Configure(inside, process, [(_lease.Address, Network.Subnet!.Value.PrefixLength), .. v6], gateways);
        // From now on it is the container's, whatever becomes of this process.
        NetworkLease owned = _lease.OwnedBy(process.ProcessId);
        using (NetworkState state = NetworkState.Open())
            state.WriteLease(owned);
        _lease = owned;
        new BridgeSetup(Network).Publish(owned);
        BridgeSetup.ForgetDatagrams([owned], host);
        _relay?.Start(owned.AddressV6 is { } v6Address ? [owned.Address, v6Address] : [owned.Address]);
    }

    internal override void Release()
    {
        Interlocked.Exchange(ref _relay, null)?.Dispose();
        if (Interlocked.Exchange(ref _lease, null) is not { } lease)
            return;
        using NetworkState state = NetworkState.Open();
        // Somebody else may have swept it already, and given its number away.
        if (!state.Holds(lease))
            return;
        using RouteSocket route = RouteSocket.Open();
        Drop(lease, route);
        state.DeleteLease(lease);
        Settle(state, route, Network, [lease]);
    }

    /// <summary>Removes what containers that are gone have left, as every start does.</summary>
    internal static void Sweep()
    {
        using NetworkState state = NetworkState.Open();
        using RouteSocket route = RouteSocket.Open();
        Sweep(state, route, keep: null);
    }

    private static void Sweep(NetworkState state, RouteSocket route, string? keep)
    {
        state.DropStray();
        foreach (BridgeNetwork network in state.ReadNetworks().ToArray())
        {
            List<NetworkLease> dropped = state.DropDead(network.Name, lease => Drop(lease, route));
            if (dropped.Count > 0 || (network.Name != keep && state.ReadLeases(network.Name).IsEmpty))
                Settle(state, route, network, dropped);
        }
    }

    /// <summary>After leases are gone: the ports and names of those that are left, or nothing at all.</summary>
    private static void Settle(NetworkState state, RouteSocket route, BridgeNetwork network, List<NetworkLease> gone)
    {
        var setup = new BridgeSetup(network);
        ImmutableArray<NetworkLease> left = state.ReadLeases(network.Name);
        if (left.IsEmpty)
        {
            setup.Remove(route);
            state.DeleteNetwork(network.Name);
        }
        else
        {
            if (gone.Any(l => !l.Ports.IsEmpty))
                setup.Republish(left);
            state.WriteHosts(network.Name);
        }

        BridgeSetup.ForgetDatagrams(gone, route);
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
        return definition is null ? Subnets.Complete(wanted, [.. ContainerNetworks.ReadDefinitions(), .. state.ReadNetworks()], route) : Same(definition);
    }

    // A network is named, or described; a description must fit what is there.
    private BridgeNetwork Same(BridgeNetwork present)
    {
        bool fits = (wanted.Subnet is null || wanted.Subnet.Equals(present.Subnet)) && (wanted.SubnetV6 is null || wanted.SubnetV6.Equals(present.SubnetV6)) && (wanted == new BridgeNetwork(wanted.Name) || (wanted.Internal, wanted.IPv6) == (present.Internal, present.IPv6));
        return fits ? present : throw new LinuxException("use", wanted.Describe(), "RTM_NEWLINK", Errno.EEXIST, hint: $"There is one with that name and other settings: subnet {present.Subnet}, {present.SubnetV6?.ToString() ?? "no IPv6"}{(present.Internal ? ", internal" : "")}.");
    }

    private NetworkLease Lease(ImmutableArray<NetworkLease> leases)
    {
        IPNetwork subnet = Network.Subnet!.Value;
        long last = Math.Min((1L << (32 - subnet.PrefixLength)) - 2, 1 << 20);
        long index = Settings.Address is { } address ? IndexOf(subnet, address) : FirstFree(leases, last);
        if (index > last)
            throw new LinuxException("lease", $"an address of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRNOTAVAIL, hint: $"All {last - 1} addresses of {subnet} are taken.");
        IPAddress? v6 = Network.SubnetV6 is { } network6 ? Settings.AddressV6 ?? BridgeNetwork.AddressAt(network6, index) : null;
        foreach (NetworkLease other in leases.Where(l => l.Index == index || (v6 is not null && v6.Equals(l.AddressV6))))
            throw new LinuxException("lease", $"address {(other.Index == index ? Settings.Address : v6)} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRINUSE, hint: $"Container {other.Names.FirstOrDefault(other.Id)} has it.");
        string id = Convert.ToHexStringLower(RandomNumberGenerator.GetBytes(8));
        IPAddress own = BridgeNetwork.AddressAt(subnet, index);
        return new NetworkLease
        {
            Network = Network.Name,
            Index = index,
            Id = id,
            ProcessId = 0,
            StartTime = 0,
            Address = own,
            AddressV6 = v6,
            HostLink = "ve" + id[..12],
            Names = [.. NetworkFiles.Names(Spec)],
            Ports = Settings.Ports,
            HostsHead = NetworkFiles.Hosts(Spec, own, v6, Pinned),
        }.OwnedBy(Environment.ProcessId);
    }

    private static long FirstFree(ImmutableArray<NetworkLease> leases, long last)
    {
        var taken = leases.Select(l => l.Index).ToHashSet();
        long index = 2; // the network itself, and its router
        while (index <= last && taken.Contains(index))
            index++;
        return index;
    }

    private long IndexOf(IPNetwork subnet, IPAddress address)
    {
        if (!subnet.Contains(address))
            throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRNOTAVAIL, hint: $"Its subnet is {subnet}.");
        long Number(IPAddress a) => System.Buffers.Binary.BinaryPrimitives.ReadUInt32BigEndian(a.GetAddressBytes());
        long index = Number(address) - Number(subnet.BaseAddress);
        return index >= 2 ? index : throw new LinuxException("lease", $"address {address} of {Network.Describe()}", "RTM_NEWADDR", Errno.EADDRINUSE, hint: "It is the network's own, or its router's.");
    }

    /// <summary>A port that somebody has already cannot lead to this container too: another container's, or a listening program's of the host.</summary>
    private void CheckPorts(NetworkState state)
    {
        foreach (PublishedPort port in Settings.Ports)
        {
            if (Settings.Ports.Any(p => !ReferenceEquals(p, port) && p.Overlaps(port)))
                throw Taken(port, "It is published twice.");
            foreach (NetworkLease other in state.ReadNetworks().SelectMany(n => state.ReadLeases(n.Name)))
            {
                if (other.Ports.Any(p => p.Overlaps(port)))
                    throw Taken(port, $"Container {other.Names.FirstOrDefault(other.Id)} of network \"{other.Network}\" has it.");
            }

            if (Network.SubnetV6 is null && port.HostAddress is { AddressFamily: AddressFamily.InterNetworkV6 } v6 && !v6.Equals(IPAddress.IPv6Loopback))
                throw new LinuxException("publish port", port.ToString(), "NFT_MSG_NEWSETELEM", Errno.EAFNOSUPPORT, hint: $"Network \"{Network.Name}\" has no IPv6.");
            for (int i = 0; i < port.Count; i++)
                Probe(port, port.HostPort + i);
        }
    }

    private static void Probe(PublishedPort port, int number)
    {
        if (port.Protocol == PortProtocol.Sctp)
            return;
        IPAddress address = port.HostAddress ?? IPAddress.Any;
        try
        {
            using var socket = new Socket(address.AddressFamily, port.Protocol == PortProtocol.Udp ? SocketType.Dgram : SocketType.Stream, port.Protocol == PortProtocol.Udp ? ProtocolType.Udp : ProtocolType.Tcp);
            socket.Bind(new IPEndPoint(address, number));
        }
        catch (SocketException e)
        {
            throw LoopbackRelay.Refused(port, e, "A program of the host listens there.");
        }
    }

    private static LinuxException Taken(PublishedPort port, string hint) => new("publish port", port.ToString(), "bind(2)", Errno.EADDRINUSE, hint: hint);

    internal static PhysicalAddress MakeHardwareAddress(IPAddress address) => new([0x02, 0x42, .. address.GetAddressBytes()]);
}
