using System.Net;
using System.Net.Sockets;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class SpecValidator
{
    private static readonly IPNetwork[] s_special =
        [.. new[] { "0.0.0.0/8", "127.0.0.0/8", "224.0.0.0/3", "::/127", "fe80::/10", "ff00::/8" }.Select(IPNetwork.Parse)];

    // IFNAMSIZ of linux/if.h, without the NUL: bytes, not characters.
    private const int MaxLinkName = 15;

    private const string ZoneRule = "must be addresses without a zone, which is a link of the host";

    private void CheckNetwork()
    {
        NetworkSettings settings = _spec.Network;
        if (settings.IsDefault)
            return;
        bool own = Owns(NamespaceKinds.Net);
        Require(settings.Network is null || own, "network", "needs a network namespace of the container's own",
            settings.Network?.Describe());
        Require(settings.Network is null || start.NetworkPool is null, "network", "must not be combined with a pool of namespaces",
            settings.Network?.Describe());
        CheckKind(settings);
        Require(settings.Ports.IsEmpty || settings.Network is BridgeNetwork or UserModeNetwork, "network.ports",
            "need a bridge or user-mode network", settings.Ports.IsEmpty ? null : settings.Ports[0].ToString());
        Require(settings.Aliases.IsEmpty || settings.Network is BridgeNetwork, "network.aliases", "need a bridge network", null);
        foreach (string alias in settings.Aliases)
            Require(EgressRule.IsHostName(alias) && alias is not ("localhost" or "ip6-localhost" or "ip6-loopback"), "network.aliases",
                "must be host names, of others than the loopback", Shown(alias));
        RequireNetworkFor(settings);
        foreach (PublishedPort port in settings.Ports)
        {
            Require(port is { Count: > 0, HostPort: > 0, ContainerPort: > 0 } && port.HostPort + port.Count <= 65536
                && port.ContainerPort + port.Count <= 65536, "network.ports", "must be 1 to 65535", port.ToString());
            bool isLoopbackV6 = IPAddress.IPv6Loopback.Equals(port.HostAddress);
            Require(port.HostAddress?.AddressFamily != AddressFamily.InterNetworkV6 || isLoopbackV6
                || settings.Network is not BridgeNetwork { IPv6: false }, "network.ports", "need a network with IPv6", port.ToString());
            Require(!settings.Ports.Any(p => !ReferenceEquals(p, port) && p.Overlaps(port)), "network.ports",
                "must be published once", port.ToString());
            Require(port.Protocol != PortProtocol.Sctp || settings.Network is not UserModeNetwork, "network.ports",
                "of sctp need a bridge network: user-mode networks have TCP and UDP only", port.ToString());
            Require(!HasZone(port.HostAddress), "network.ports", ZoneRule, port.ToString());
            Require(!isLoopbackV6 || port.Protocol != PortProtocol.Sctp || settings.Network is not BridgeNetwork, "network.ports",
                "of sctp cannot lead from ::1", port.ToString());
        }

        foreach (HostEntry host in settings.Hosts)
        {
            Require(EgressRule.IsHostName(host.Name) && host.Address is not null, "network.hosts",
                "must have host names and addresses", Shown(host.Name));
            Require(!HasZone(host.Address), "network.hosts", ZoneRule, host.ToString());
        }

        CheckResolver(settings);
        CheckInterfaceName(settings.InterfaceName);
        Require(settings.HardwareAddress is null
            || settings.HardwareAddress.GetAddressBytes() is [var first, _, _, _, _, _] && (first & 1) == 0,
            "network.hardwareAddress", "must have 6 bytes and be of a single station", settings.HardwareAddress?.ToString());
        if (settings.Egress is null)
            return;
        foreach (string? name in settings.Egress.Rules.Select(r => r.HostName))
            Require(name is null || EgressRule.IsHostName(name), "network.egress", "must have host names", Shown(name ?? ""));
        Require(own, "network.egress", "needs a network namespace of the container's own", null);
        foreach (Capability capability in new[] { Capability.NetAdmin, Capability.NetRaw })
            Require(!_spec.Capabilities.Bounding.Contains(capability), "network.egress",
                "cannot hold a program that may change the filter or send packets past it: take the capability away",
                CapabilitySet.KernelName(capability));
    }

    private void CheckResolver(NetworkSettings settings)
    {
        foreach (IPAddress server in settings.NameServers)
        {
            Require(!HasZone(server), "network.nameServers", ZoneRule, server.ToString());
            Require(!server.Equals(IPAddress.Any) && !server.Equals(IPAddress.IPv6Any), "network.nameServers",
                "must be addresses of servers", server.ToString());
        }

        foreach (string domain in settings.SearchDomains)
            Require(EgressRule.IsHostName(domain) || settings.SearchDomains is ["."], "network.search", "must be domains", Shown(domain));
        foreach (string option in settings.ResolverOptions)
        {
            Require(option.Length > 0 && option.All(c => c is > ' ' and < (char)127), "network.resolverOptions",
                "must be words of resolv.conf(5), such as ndots:2", Shown(option));
        }
    }

    // The zone is the number of a link of this host; the container has links of its own.
    private static bool HasZone(IPAddress? address) => address is { AddressFamily: AddressFamily.InterNetworkV6, ScopeId: not 0 };

    /// <summary>What would be left out in silence where there is nothing that it could act on.</summary>
    private void RequireNetworkFor(NetworkSettings settings)
    {
        bool hasLink = settings.Network is not null;
        Require(settings.RateLimit is null || hasLink, "network.rateLimit", "needs a network of the container's own", null);
        Require(settings.HardwareAddress is null || hasLink, "network.hardwareAddress", "needs a network of the container's own",
            settings.HardwareAddress?.ToString());
        Require(settings.HardwareAddress is null || settings.Network is not ParentLinkNetwork { Ipvlan: true }, "network.hardwareAddress",
            "cannot be had on an ipvlan, which has its parent's", null);
        Require(settings.InterfaceName == "eth0" || hasLink, "network.interfaceName", "needs a network of the container's own",
            Shown(settings.InterfaceName));
    }

    private void CheckKind(NetworkSettings settings)
    {
        switch (settings.Network)
        {
            case BridgeNetwork bridge:
                string? nameFault = StateName.FaultOf(bridge.Name, StateName.MaxNetworkLength);
                Require(nameFault is null, "network.name", nameFault ?? "", Shown(bridge.Name));
                Require(bridge.IPv6 || bridge.SubnetV6 is null, "network.subnetV6", "must not be given where there is to be no IPv6",
                    bridge.SubnetV6?.ToString());
                Require(bridge.Mtu is not (>= 576 and < 1280) || !bridge.IPv6, "network.mtu",
                    "must be 1280 or more for IPv6: make it without", Text(bridge.Mtu));
                Require(bridge.Subnet is not { } subnet || (subnet.BaseAddress.AddressFamily == AddressFamily.InterNetwork
                    && subnet.PrefixLength <= 30 && IsUnicast(subnet)),
                    "network.subnet", "must be a network of IPv4 with room for a container, and of addresses that hosts may have",
                        bridge.Subnet?.ToString());
                Require(bridge.SubnetV6 is not { } v6 || (v6.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6
                    && v6.PrefixLength <= 112 && IsUnicast(v6)),
                    "network.subnetV6", "must be a network of IPv6, of /112 or larger, and of addresses that hosts may have",
                        bridge.SubnetV6?.ToString());
                Require(bridge.Mtu is null or (>= 576 and <= 65535), "network.mtu", "must be 576 to 65535", Text(bridge.Mtu));
                Require(System.Text.Encoding.UTF8.GetByteCount(bridge.LinkName) <= MaxLinkName, "network.link",
                    "must have at most 15 bytes", bridge.Link);
                break;
            case ParentLinkNetwork parent:
                RequireAddress("network.address", parent.Address);
                Require(!parent.Ipvlan || parent.Mode == Isolation.Net.Routing.MacvlanMode.Bridge, "network.mode", "is of macvlans",
                    parent.Mode.ToString());
                break;
            case MovedLinkNetwork moved:
                foreach (string address in moved.Addresses)
                    RequireAddress("network.addresses", address);
                break;
        }

        Require(settings.Address is null
            || (settings.Address.AddressFamily == AddressFamily.InterNetwork && settings.Network is BridgeNetwork),
            "network.address", "must be an address of a bridge network", settings.Address?.ToString());
        Require(settings.AddressV6 is null
            || (settings.AddressV6.AddressFamily == AddressFamily.InterNetworkV6 && settings.Network is BridgeNetwork { IPv6: true }),
            "network.addressV6", "must be an IPv6 address of a bridge network", settings.AddressV6?.ToString());
    }

    // RFC 6890, 5771, 4291: this network, loopback, multicast and what is reserved behind it; unspecified and loopback, link-local,
    // multicast.
    private static bool IsUnicast(IPNetwork subnet) =>
        s_special.All(s => s.BaseAddress.AddressFamily != subnet.BaseAddress.AddressFamily || !Subnets.Overlap(s, subnet));

    private void CheckInterfaceName(string name)
    {
        int length = System.Text.Encoding.UTF8.GetByteCount(name);
        bool good = length is > 0 and <= MaxLinkName && name is not ("lo" or "." or "..") && name.All(c => c > ' ' && c != '/' && c != ':');
        Require(good, "network.interfaceName", "must be the name of a link, of at most 15 bytes", Shown(name));
    }

    private void RequireAddress(string path, string address)
    {
        string? problem = null;
        try
        {
            Isolation.Net.Routing.Address.Parse(0, address);
        }
        catch (FormatException e)
        {
            problem = e.Message;
        }

        Require(problem is null, path, "must be an address with its prefix, such as 10.0.0.5/24", address);
    }
}
