using System.Net;
using System.Net.NetworkInformation;
using Isolation.Net.TrafficControl;
using Isolation.Security;

namespace Isolation.Containers;

public sealed partial class ContainerBuilder
{
    private ContainerBuilder With(Func<NetworkSettings, NetworkSettings> change) => Changed(_spec with { Network = change(_spec.Network) });

    /// <summary>Connects the container to a network; null takes it off: only <c>lo</c> is left, as it is by default.</summary>
    public ContainerBuilder WithNetwork(ContainerNetwork? network) => With(n => n with { Network = network });

    /// <summary>Connects the container to the bridge network with a name, which is made on demand.</summary>
    public ContainerBuilder WithNetwork(string name) => WithNetwork(new BridgeNetwork(NotNull(name)));

    /// <summary>Replaces all settings of the network.</summary>
    public ContainerBuilder WithNetworkSettings(NetworkSettings settings) =>
        Changed(_spec with { Network = settings ?? throw new ArgumentNullException(nameof(settings)) });

    /// <summary>Sets the container's address: the network's next free one otherwise. Called twice, once for each family.</summary>
    public ContainerBuilder WithAddress(IPAddress address)
    {
        ArgumentNullException.ThrowIfNull(address);
        return address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? With(n => n with { AddressV6 = address })
            : With(n => n with { Address = address });
    }

    /// <summary>Sets the container's hardware address.</summary>
    public ContainerBuilder WithHardwareAddress(PhysicalAddress address) => With(n => n with { HardwareAddress = NotNull(address) });

    /// <summary>Adds a name by which other containers of the network find this one.</summary>
    public ContainerBuilder AddNetworkAlias(string alias) => With(n => n with { Aliases = n.Aliases.Add(NotNull(alias)) });

    /// <summary>Lets a port of the host lead to the container; see <see cref="PublishedPort.Parse"/>.</summary>
    public ContainerBuilder AddPublishedPort(string port) => AddPublishedPort(PublishedPort.Parse(NotNull(port)));

    /// <summary>Lets a port of the host lead to the container.</summary>
    public ContainerBuilder AddPublishedPort(PublishedPort port) => With(n => n with { Ports = n.Ports.Add(NotNull(port)) });

    /// <summary>Adds a name server to the container's /etc/resolv.conf; the first takes the place of the host's.</summary>
    public ContainerBuilder AddNameServer(IPAddress server) => With(n => n with { NameServers = n.NameServers.Add(NotNull(server)) });

    /// <summary>Adds a domain that short names are searched in; the first takes the place of the host's, and <c>.</c> alone means
    /// none.</summary>
    public ContainerBuilder AddSearchDomain(string domain) => With(n => n with { SearchDomains = n.SearchDomains.Add(NotNull(domain)) });

    /// <summary>Adds an option to the container's /etc/resolv.conf; the first takes the place of the host's. See resolv.conf(5).</summary>
    public ContainerBuilder AddResolverOption(string option) =>
        With(n => n with { ResolverOptions = n.ResolverOptions.Add(NotNull(option)) });

    /// <summary>Adds a line to the container's /etc/hosts.</summary>
    public ContainerBuilder AddHost(HostEntry host) => With(n => n with { Hosts = n.Hosts.Add(NotNull(host)) });

    /// <summary>Lets the container connect only to what a policy lists. Takes <c>CAP_NET_RAW</c> from its capabilities,
    /// by which packets would go past the policy.</summary>
    public ContainerBuilder WithEgress(EgressPolicy? policy)
    {
        ContainerBuilder builder = With(n => n with { Egress = policy });
        return policy is null ? builder : builder.WithCapabilities(Without(_spec.Capabilities, Capability.NetRaw));
    }

    /// <summary>Limits how fast the container sends and receives;
    /// see <see cref="Container.SetRateLimit"/> for a change while it runs.</summary>
    public ContainerBuilder WithRateLimit(RateLimit? limit) => With(n => n with { RateLimit = limit });

    private static CapabilityState Without(CapabilityState state, Capability capability) => state with
    {
        Bounding = state.Bounding.Remove(capability),
        Permitted = state.Permitted.Remove(capability),
        Effective = state.Effective.Remove(capability),
        Inheritable = state.Inheritable.Remove(capability),
        Ambient = state.Ambient.Remove(capability),
    };
}
