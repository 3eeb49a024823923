using System.Collections.Immutable;
using System.Net;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Conntrack;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>The host's side of a bridge network: the bridge, its addresses, forwarding, and a table of nf_tables.</summary>
internal sealed class BridgeSetup(BridgeNetwork network)
{
    private readonly NftTable _table = new(NftFamily.Inet, network.TableName) { Comment = "made by Isolation" };

    /// <summary>Published ports: on any address of the host, and on a certain one; of both families.</summary>
    private NftSet Ports(bool v6, bool ofAddress) => new(_table, (ofAddress ? "address-ports" : "ports") + (v6 ? "-v6" : ""),
        ofAddress
            ? [v6 ? NftType.IPv6Address : NftType.IPv4Address, NftType.Protocol, NftType.Service]
            : [NftType.Protocol, NftType.Service])
    { DataTypes = [v6 ? NftType.IPv6Address : NftType.IPv4Address, NftType.Service] };

    private IEnumerable<bool> Families => network.SubnetV6 is null ? [false] : [false, true];

    /// <summary>Whether links of this host that are made now have IPv6.</summary>
    internal static bool HostHasIPv6()
    {
        try
        {
            return new NetworkSysctls().Read("net.ipv6.conf.default.disable_ipv6") == "0";
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            return false; // a kernel without it
        }
    }

    /// <summary>Makes what is missing of it.</summary>
    /// <param name="route">A socket of the host.</param>
    /// <param name="leases">Reads those of the containers that are there already; called only where their ports are to be led
    /// again.</param>
    internal void Ensure(RouteSocket route, Func<ImmutableArray<NetworkLease>> leases)
    {
        if (route.FindLink(network.LinkName) is { } present)
        {
            if (present is not BridgeLink)
                throw new LinuxException("make", network.Describe(), "RTM_NEWLINK", Errno.EEXIST,
                    remedy: $"A link \"{network.LinkName}\" is there already that is no bridge: give the network another link name.");
        }
        else
        {
            // An address of its own: else it would change with its ports, and containers would lose their router for a while.
            route.Add(new BridgeLink
            {
                Name = network.LinkName,
                Mtu = network.Mtu,
                Address = BridgeNetworkLaunch.MakeHardwareAddress(network.Gateway!)
            });
        }

        int bridge = route.GetLink(network.LinkName).Index;
        foreach (Address address in Addresses(bridge))
            route.Replace(address);
        route.Change(new Link { Index = bridge, Up = true });
        SetForwarding(route);
        Restore(leases, route);
    }

    /// <summary>Makes the rules where they are missing: at the first container, and where somebody has flushed all rules,
    /// as a firewall does that loads its own again.</summary>
    internal void Restore(Func<ImmutableArray<NetworkLease>> leases, RouteSocket route)
    {
        using NftSocket nft = NftSocket.Open();
        if (!nft.ReadRules(_table).IsEmpty)
            return;
        // A table without rules makes room: all is made anew, at one moment.
        NftBatch batch = AddRules(new NftBatch().Add(_table).Delete(_table));
        ImmutableArray<NetworkLease> present = leases();
        AddPorts(batch, present);
        nft.Execute(batch);
        ForgetDatagrams(present, route);
    }

    /// <summary>Removes all of it.</summary>
    internal void Remove(RouteSocket route)
    {
        using NftSocket nft = NftSocket.Open();
        // Where the namespace's own user has none of it, there is nothing to remove.
        if (nft.ReadTables(NftFamily.Inet).Any(t => t.Table == network.TableName))
            nft.Execute(new NftBatch().Delete(_table));
        if (route.FindLink(network.LinkName) is BridgeLink bridge)
            route.Delete(bridge);
    }

    /// <summary>Lets ports of the host lead to a container.</summary>
    /// <exception cref="NetlinkException"><c>EEXIST</c>: one of them leads elsewhere.</exception>
    internal void Publish(NetworkLease lease)
    {
        if (lease.Ports.IsEmpty)
            return;
        var batch = new NftBatch();
        AddPorts(batch, [lease]);
        using NftSocket nft = NftSocket.Open();
        nft.Execute(batch);
    }

    /// <summary>Ends that ports of the host lead to containers that are gone.</summary>
    /// <param name="gone">Their leases.</param>
    /// <param name="left">Reads the others'; called only where somebody else has changed the ports.</param>
    internal void Withdraw(IEnumerable<NetworkLease> gone, Func<ImmutableArray<NetworkLease>> left)
    {
        using NftSocket nft = NftSocket.Open();
        try
        {
            var batch = new NftBatch();
            AddPorts(batch, gone, (b, elements) => b.Delete(elements));
            nft.Execute(batch);
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            // Never published, or flushed: the ports are made those of the others, at one moment.
            if (nft.ReadTables(NftFamily.Inet).All(t => t.Table != network.TableName))
                return;
            var batch = new NftBatch();
            foreach (bool v6 in Families)
                batch.Flush(Ports(v6, ofAddress: false)).Flush(Ports(v6, ofAddress: true));
            AddPorts(batch, left());
            nft.Execute(batch);
        }
    }

    /// <summary>Forgets the tracked datagrams of containers' ports. A client that goes on sending from one port would else be led where the
    /// port led before, for as long as it goes on: past a container that has just begun, or to one that is gone and whose address another
    /// may have.</summary>
    internal static void ForgetDatagrams(IEnumerable<NetworkLease> leases, RouteSocket route)
    {
        NetworkLease[] concerned = [.. leases.Where(l => l.Ports.Any(p => p.Protocol == PortProtocol.Udp))];
        if (concerned.Length == 0)
            return;
        PublishedPort[] ports = [.. concerned.SelectMany(l => l.Ports).Where(p => p.Protocol == PortProtocol.Udp)];
        var local = route.ReadAddresses().Select(a => a.Local).ToHashSet();
        using ConntrackSocket conntrack = ConntrackSocket.Open();
        try
        {
            foreach (ConntrackEntry entry in conntrack.Read()
                .Where(e => e.Original.Protocol == (byte)PortProtocol.Udp && (IsLedTo(e) || IsForThisHost(e))))
                conntrack.Delete(entry);
        }
        catch (NetlinkException)
        {
            // A kernel that cannot tell of them, or has too many: they end when the client pauses. No reason to have no container.
        }

        bool IsLedTo(ConntrackEntry entry) =>
            concerned.Any(l => entry.Reply.Source.Equals(l.Address) || entry.Reply.Source.Equals(l.AddressV6));

        // From before the port led anywhere.
        bool IsForThisHost(ConntrackEntry entry) => !entry.Status.HasFlag(ConntrackStatus.DestinationNat)
            && ports.Any(p => entry.Original.DestinationPort >= p.HostPort && entry.Original.DestinationPort < p.HostPort + p.Count
                && p.IsAt(entry.Original.Destination))
            && (local.Contains(entry.Original.Destination) || IPAddress.IsLoopback(entry.Original.Destination));
    }

    private IEnumerable<Address> Addresses(int bridge)
    {
        yield return new Address(bridge, network.Gateway!, network.Subnet!.Value.PrefixLength);
        if (network.SubnetV6 is { } v6)
            yield return new Address(bridge, network.GatewayV6!, v6.PrefixLength) { Flags = AddressFlags.NoDad };
    }

    private void AddPorts(NftBatch batch, IEnumerable<NetworkLease> leases) => AddPorts(batch, leases, (b, elements) => b.Create(elements));

    private void AddPorts(NftBatch batch, IEnumerable<NetworkLease> leases, Action<NftBatch, NftElements> add)
    {
        var elements = new Dictionary<(bool V6, bool OfAddress), List<NftElement>>();
        foreach (NetworkLease lease in leases)
        {
            foreach (PublishedPort port in lease.Ports)
            {
                foreach (bool v6 in Families.Where(port.IsOf))
                {
                    bool ofAddress = port.OneAddress is not null;
                    NftSet map = Ports(v6, ofAddress);
                    IPAddress target = v6 ? lease.AddressV6! : lease.Address;
                    for (int i = 0; i < port.Count; i++)
                    {
                        NftValue[] key = [port.ProtocolName, port.HostPort + i];
                        NftValue whole = NftValue.Concatenate(port.OneAddress is { } address ? [address, .. key] : key);
                        NftElement element = map.Element(whole, NftValue.Concatenate(target, port.ContainerPort + i));
                        (elements.TryGetValue((v6, ofAddress), out List<NftElement>? list) ? list : elements[(v6, ofAddress)] = [])
                            .Add(element);
                    }
                }
            }
        }

        foreach (((bool v6, bool ofAddress), List<NftElement> list) in elements)
            add(batch, Ports(v6, ofAddress).Elements(list));
    }

    private NftBatch AddRules(NftBatch batch)
    {
        string bridge = network.LinkName;
        NftChain guard = new(_table, "guard") { Hook = NftHook.Prerouting, Priority = -300 };
        NftChain prerouting = new(_table, "prerouting") { Type = NftChainType.Nat, Hook = NftHook.Prerouting, Priority = -100 };
        NftChain output = new(_table, "output") { Type = NftChainType.Nat, Hook = NftHook.Output, Priority = -100 };
        NftChain postrouting = new(_table, "postrouting") { Type = NftChainType.Nat, Hook = NftHook.Postrouting, Priority = 100 };
        NftChain forward = new(_table, "forward") { Hook = NftHook.Forward };
        NftChain publish = new(_table, "publish");
        batch.Add(_table).Add(guard).Add(prerouting).Add(output).Add(postrouting).Add(forward).Add(publish);
        // For clients on the host's loopback the bridge may route 127.0.0.0/8: its containers must not reach the host's loopback by that.
        batch.Add(new NftRule(guard).Match(NftField.InputInterface, bridge).Match(NftField.IPv4Destination, "127.0.0.0/8").Drop());
        foreach (bool v6 in Families)
        {
            NftSet ofAddress = Ports(v6, ofAddress: true), any = Ports(v6, ofAddress: false);
            batch.Add(ofAddress).Add(any);
            // What is for ::1 is relayed: nothing comes back to there from elsewhere.
            if (v6)
                batch.Add(new NftRule(publish).Match(NftField.IPv6Destination, IPAddress.IPv6Loopback)
                    .Decide(new NftVerdict(NftVerdictKind.Return)));
            batch.Add(new NftRule(publish).DnatMap(ofAddress, v6 ? NftField.IPv6Destination : NftField.IPv4Destination,
                NftField.TransportProtocol, NftField.DestinationPort))
                .Add(new NftRule(publish).Match(NftField.PacketFamily, v6 ? "ipv6" : "ipv4")
                    .DnatMap(any, NftField.TransportProtocol, NftField.DestinationPort));
            AddMasquerade(batch, postrouting, v6);
        }

        NftVerdict jump = NftVerdict.Jump(publish.Name);
        batch.Add(new NftRule(prerouting).Match(NftField.DestinationType, "local").Decide(jump))
            .Add(new NftRule(output).Match(NftField.DestinationType, "local").Decide(jump));
        batch.Add(new NftRule(forward).Match(NftField.OutputInterface, bridge)
            .Match(NftField.ConnectionState, "established,related").Accept())
            .Add(new NftRule(forward).Match(NftField.OutputInterface, bridge).Match(NftField.InputInterface, bridge).Accept())
            .Add(new NftRule(forward).Match(NftField.OutputInterface, bridge).Match(NftField.ConnectionStatus, "dnat").Accept())
            .Add(new NftRule(forward).Match(NftField.OutputInterface, bridge).Counter().Drop()
                .WithComment("only from its own network, or by a published port"));
        if (network.Internal)
            batch.Add(new NftRule(forward).Match(NftField.InputInterface, bridge).Match(NftField.ConnectionState, "established,related",
                NftOperator.NotEqual).Counter().Drop().WithComment("an internal network"));
        return batch;
    }

    private void AddMasquerade(NftBatch batch, NftChain postrouting, bool v6)
    {
        NftField source = v6 ? NftField.IPv6Source : NftField.IPv4Source;
        IPNetwork subnet = v6 ? network.SubnetV6!.Value : network.Subnet!.Value;
        if (!network.Internal)
            batch.Add(new NftRule(postrouting).Match(source, subnet)
                .Match(NftField.OutputInterface, network.LinkName, NftOperator.NotEqual).Masquerade());
        // A container that reaches another by a published port, or itself, must get its answers by the same way.
        batch.Add(new NftRule(postrouting).Match(source, subnet).Match(NftField.OutputInterface, network.LinkName)
            .Match(NftField.ConnectionStatus, "dnat").Masquerade());
        if (!v6)
            batch.Add(new NftRule(postrouting).Match(source, "127.0.0.0/8").Match(NftField.OutputInterface, network.LinkName).Masquerade());
    }

    private void SetForwarding(RouteSocket route)
    {
        var settings = new NetworkSysctls();
        if (settings.Read("net.ipv4.ip_forward") != "1")
            settings.Write("net.ipv4.ip_forward", "1");
        settings.WriteOfLink(network.LinkName, "ipv4", "route_localnet", "1");
        if (network.SubnetV6 is null)
            return;
        // Containers must not become the host's routers.
        settings.WriteOfLink(network.LinkName, "ipv6", "accept_ra", "0");
        if (settings.Read("net.ipv6.conf.all.forwarding") == "1")
            return;
        // A router no longer takes what other routers tell; links that have so far must go on.
        foreach (Link link in route.ReadLinks(statistics: false).Where(l => !l.Flags.HasFlag(LinkFlags.Loopback)))
        {
            try
            {
                if (settings.ReadOfLink(link.Name!, "ipv6", "accept_ra") == "1")
                    settings.WriteOfLink(link.Name!, "ipv6", "accept_ra", "2");
            }
            catch (LinuxException e) when (e.Errno == Errno.ENOENT)
            {
                // a link without IPv6
            }
        }

        settings.Write("net.ipv6.conf.all.forwarding", "1");
    }
}
