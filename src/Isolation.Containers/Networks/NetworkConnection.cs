using System.Collections.Immutable;
using System.Net;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>One container's connection to its network: what is taken before it is made, done while it waits, and given back when it is
/// gone.</summary>
internal abstract class NetworkConnection(ContainerSpec spec)
{
    internal static NetworkConnection Of(ContainerSpec spec) => spec.Network.Network switch
    {
        BridgeNetwork bridge => new BridgeNetworkLaunch(spec, bridge),
        ParentLinkNetwork parent => new ParentLinkLaunch(spec, parent),
        MovedLinkNetwork moved => new MovedLinkLaunch(spec, moved),
        UserModeNetwork user => new UserModeLaunch(spec, user),
        _ => new NoNetworkLaunch(spec),
    };

    private protected ContainerSpec Spec { get; } = spec;

    private protected NetworkSettings Settings => Spec.Network;

    /// <summary>What ends the waits of a start.</summary>
    internal CancellationToken StartCancelled { private protected get; set; }

    /// <summary>The addresses of the egress policy's names.</summary>
    internal ImmutableSortedDictionary<string, ImmutableArray<IPAddress>> Pinned { get; set; } = ImmutableSortedDictionary<string,
        ImmutableArray<IPAddress>>.Empty;

    internal virtual IPAddress? Address => null;

    internal virtual IPAddress? AddressV6 => null;

    /// <summary>The hosts file that the container will see; null where it is none of this host's files.</summary>
    internal virtual string? HostsPath => null;

    /// <summary>Before the container is made.</summary>
    /// <exception cref="LinuxException">There is no address, or a port is taken.</exception>
    internal void Begin()
    {
        Take();
    }

    /// <summary>While the container's first process waits, in its network namespace.</summary>
    internal void Connect(int processId)
    {
        using PidHandle process = PidHandle.Open(processId);
        // First what may not go out, and then the way out.
        if (Settings.Egress is { } egress)
        {
            using NftSocket nft = NftSocket.Open(process);
            nft.Execute(EgressFilter.Lower(egress, Pinned));
        }

        using RouteSocket inside = RouteSocket.Open(process);
        Connect(process, inside);
        if (Settings.RateLimit is { } limit)
            limit.Apply(inside, Settings.InterfaceName);
    }

    /// <summary>When the container is gone, or was never made. May be called again.</summary>
    internal virtual void Release()
    {
    }

    private protected virtual void Take()
    {
    }

    private protected abstract void Connect(PidHandle process, RouteSocket inside);

    /// <summary>Sets the link inside up, with addresses and a default route.</summary>
    private protected void Configure(RouteSocket inside, PidHandle process, IEnumerable<(IPAddress Address, int Prefix)> addresses,
        IEnumerable<IPAddress> gateways)
    {
        Link link = inside.GetLink(Settings.InterfaceName);
        // Another container of the network must not become this one's router.
        try
        {
            new NetworkSysctls(process).WriteOfLink(Settings.InterfaceName, "ipv6", "accept_ra", "0");
        }
        catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.EPERM)
        {
            // a kernel without IPv6, or a namespace that this user has no part of
        }

        RouteBatch batch = inside.CreateBatch();
        foreach ((IPAddress address, int prefix) in addresses)
            batch.Add(new Address(link.Index, address, prefix)
            {
                Flags = address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? AddressFlags.NoDad : AddressFlags.None
            });
        batch.Change(new Link { Index = link.Index, Up = true });
        foreach (IPAddress gateway in gateways)
            batch.Add(new Route(gateway.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
                ? Route.DefaultIPv6
                : Route.DefaultIPv4)
            { Gateway = gateway, LinkIndex = link.Index });
        batch.SendAll();
    }
}

/// <summary>A container without a network, whose policy holds for what may be connected later.</summary>
internal sealed class NoNetworkLaunch(ContainerSpec spec) : NetworkConnection(spec)
{
    private protected override void Connect(PidHandle process, RouteSocket inside)
    {
    }
}

/// <summary>Connects a container by a macvlan or ipvlan of its own.</summary>
internal sealed class ParentLinkLaunch(ContainerSpec spec, ParentLinkNetwork network) : NetworkConnection(spec)
{
    private protected override void Connect(PidHandle process, RouteSocket inside)
    {
        using RouteSocket host = RouteSocket.Open();
        int parent = host.GetLink(network.Parent).Index;
        Link link = network.Ipvlan ? new IpvlanLink { Mode = IpvlanMode.L2 } : new MacvlanLink { Mode = network.Mode };
        host.Add(link with
        {
            Name = Settings.InterfaceName,
            ParentIndex = parent,
            Address = Settings.HardwareAddress,
            NetworkNamespaceOfProcess = process.ProcessId
        });
        (IPAddress address, int prefix) = AddressOf(network.Address);
        Configure(inside, process, [(address, prefix)], network.Gateway is { } gateway ? [gateway] : []);
    }

    /// <summary>The first address of a family that is given to a link of the container's own; null for none.</summary>
    internal static IPAddress? FirstAddress(ContainerNetwork? network, bool v6)
    {
        IEnumerable<string> texts = network switch
        {
            ParentLinkNetwork parent => [parent.Address],
            MovedLinkNetwork moved => moved.Addresses,
            _ => [],
        };
        return texts.Select(t => AddressOf(t).Address).FirstOrDefault(a =>
            a.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 == v6);
    }

    internal static (IPAddress Address, int Prefix) AddressOf(string text)
    {
        Address parsed = Isolation.Net.Routing.Address.Parse(0, text);
        return (parsed.Local, parsed.PrefixLength);
    }
}
