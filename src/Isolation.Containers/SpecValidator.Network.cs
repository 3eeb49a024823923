using System.Net;
using System.Net.Sockets;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

internal sealed partial class SpecValidator
{
    private void CheckNetwork()
    {
        NetworkSettings settings = spec.Network;
        if (settings.IsDefault)
            return;
        bool own = Owns(NamespaceKinds.Net);
        Require(settings.Network is null || own, "network", "needs a network namespace of the container's own", settings.Network?.Describe());
        Require(settings.Network is null || spec.NetworkPool is null, "network", "must not be combined with a pool of namespaces", settings.Network?.Describe());
        CheckKind(settings);
        Require(settings.Ports.IsEmpty || settings.Network is BridgeNetwork or UserModeNetwork, "network.ports", "need a bridge or user-mode network", settings.Ports.IsEmpty ? null : settings.Ports[0].ToString());
        Require(settings.Aliases.IsEmpty || settings.Network is BridgeNetwork, "network.aliases", "need a bridge network", null);
        foreach (string alias in settings.Aliases)
            Require(EgressRule.IsHostName(alias), "network.aliases", "must be host names", Shown(alias));
        foreach (PublishedPort port in settings.Ports)
        {
            Require(port is { Count: > 0, HostPort: > 0, ContainerPort: > 0 } && port.HostPort + port.Count <= 65536 && port.ContainerPort + port.Count <= 65536, "network.ports", "must be 1 to 65535", port.ToString());
            bool isLoopbackV6 = IPAddress.IPv6Loopback.Equals(port.HostAddress);
            Require(port.HostAddress?.AddressFamily != AddressFamily.InterNetworkV6 || isLoopbackV6 || settings.Network is not BridgeNetwork { IPv6: false }, "network.ports", "need a network with IPv6", port.ToString());
            Require(!isLoopbackV6 || port.Protocol != PortProtocol.Sctp || settings.Network is not BridgeNetwork, "network.ports", "of sctp cannot lead from ::1", port.ToString());
        }

        foreach (HostEntry host in settings.Hosts)
            Require(EgressRule.IsHostName(host.Name), "network.hosts", "must have host names", Shown(host.Name));
        foreach (string domain in settings.SearchDomains)
            Require(EgressRule.IsHostName(domain), "network.search", "must be domains", Shown(domain));
        CheckInterfaceName(settings.InterfaceName);
        Require(settings.HardwareAddress is null || settings.HardwareAddress.GetAddressBytes() is [var first, _, _, _, _, _] && (first & 1) == 0, "network.hardwareAddress", "must have 6 bytes and be of a single station", settings.HardwareAddress?.ToString());
        if (settings.Egress is null)
            return;
        Require(own, "network.egress", "needs a network namespace of the container's own", null);
        foreach (Capability capability in new[] { Capability.NetAdmin, Capability.NetRaw })
            Require(!spec.Capabilities.Bounding.Contains(capability), "network.egress", "cannot hold a program that may change the filter or send packets past it: take the capability away", CapabilitySet.KernelName(capability));
    }

    private void CheckKind(NetworkSettings settings)
    {
        switch (settings.Network)
        {
            case BridgeNetwork bridge:
                Require(BridgeNetwork.IsName(bridge.Name), "network.name", "must be at most 32 letters, digits, _, - and ., and begin with a letter or digit", Shown(bridge.Name));
                Require(bridge.Subnet is not { } subnet || (subnet.BaseAddress.AddressFamily == AddressFamily.InterNetwork && subnet.PrefixLength <= 30), "network.subnet", "must be a network of IPv4 with room for a container", bridge.Subnet?.ToString());
                Require(bridge.SubnetV6 is not { } v6 || (v6.BaseAddress.AddressFamily == AddressFamily.InterNetworkV6 && v6.PrefixLength <= 112), "network.subnetV6", "must be a network of IPv6, of /112 or larger", bridge.SubnetV6?.ToString());
                Require(bridge.Mtu is null or (>= 576 and <= 65535), "network.mtu", "must be 576 to 65535", Text(bridge.Mtu));
                Require(bridge.LinkName.Length <= 15, "network.link", "must have at most 15 characters", bridge.Link);
                break;
            case ParentLinkNetwork parent:
                RequireAddress("network.address", parent.Address);
                break;
            case MovedLinkNetwork moved:
                foreach (string address in moved.Addresses)
                    RequireAddress("network.addresses", address);
                break;
        }

        Require(settings.Address is null || (settings.Address.AddressFamily == AddressFamily.InterNetwork && settings.Network is BridgeNetwork), "network.address", "must be an address of a bridge network", settings.Address?.ToString());
        Require(settings.AddressV6 is null || (settings.AddressV6.AddressFamily == AddressFamily.InterNetworkV6 && settings.Network is BridgeNetwork { IPv6: true }), "network.addressV6", "must be an IPv6 address of a bridge network", settings.AddressV6?.ToString());
    }

    private void CheckInterfaceName(string name) => Require(name.Length is > 0 and <= 15 && name is not ("lo" or "." or "..") && name.All(c => c > ' ' && c != '/' && c != ':'), "network.interfaceName", "must be the name of a link, of at most 15 characters", Shown(name));

    private void RequireAddress(string path, string address)
    {
        string? problem = null;
        try
        {
            Isolation.Net.Address.Parse(0, address);
        }
        catch (FormatException e)
        {
            problem = e.Message;
        }

        Require(problem is null, path, "must be an address with its prefix, such as 10.0.0.5/24", address);
    }
}
