using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Net.TrafficControl;

namespace Isolation.Containers;

/// <summary>The network settings of a container.</summary>
/// <example><code>
/// builder = builder.WithNetworkSettings(
///     new NetworkSettings { Network = new BridgeNetwork("web"), Ports = [new PublishedPort(8080, 80)] });
/// </code></example>
public sealed record NetworkSettings
{
    /// <summary>The network; null for none: only <c>lo</c>.</summary>
    public ContainerNetwork? Network { get; init; }

    /// <summary>Its IPv4 address; null for a free one.</summary>
    public IPAddress? Address { get; init; }

    /// <summary>Its IPv6 address; null for a free one.</summary>
    public IPAddress? AddressV6 { get; init; }

    /// <summary>Its hardware address; null makes one of its address.</summary>
    public PhysicalAddress? HardwareAddress { get; init; }

    /// <summary>The name of its link.</summary>
    public string InterfaceName { get; init; } = "eth0";

    /// <summary>Further names by which other containers of the network find it.</summary>
    public ImmutableArray<string> Aliases { get; init; } = [];

    /// <summary>Ports of the host that are published to it.</summary>
    public ImmutableArray<PublishedPort> Ports { get; init; } = [];

    /// <summary>Name servers for its /etc/resolv.conf; empty takes the host's, without those on the host's own loopback.</summary>
    public ImmutableArray<IPAddress> NameServers { get; init; } = [];

    /// <summary>Domains that short names are searched in; empty takes the host's, and <c>.</c> alone means none.</summary>
    public ImmutableArray<string> SearchDomains { get; init; } = [];

    /// <summary>Options of its /etc/resolv.conf, such as <c>ndots:2</c>; empty takes the host's. See resolv.conf(5).</summary>
    public ImmutableArray<string> ResolverOptions { get; init; } = [];

    /// <summary>Further lines for its /etc/hosts.</summary>
    public ImmutableArray<HostEntry> Hosts { get; init; } = [];

    /// <summary>The destinations that it may connect to; null for all.</summary>
    public EgressPolicy? Egress { get; init; }

    /// <summary>The limit of its rates of sending and receiving; null for no limit.</summary>
    public RateLimit? RateLimit { get; init; }

    /// <summary>Compares by value, the lists included.</summary>
    public bool Equals(NetworkSettings? other) => other is not null && Equals(Network, other.Network) && Equals(Address, other.Address)
        && Equals(AddressV6, other.AddressV6)
        && Equals(HardwareAddress, other.HardwareAddress) && InterfaceName == other.InterfaceName
        && Aliases.AsSpan().SequenceEqual(other.Aliases.AsSpan())
        && Ports.AsSpan().SequenceEqual(other.Ports.AsSpan()) && NameServers.AsSpan().SequenceEqual(other.NameServers.AsSpan())
        && SearchDomains.AsSpan().SequenceEqual(other.SearchDomains.AsSpan())
        && ResolverOptions.AsSpan().SequenceEqual(other.ResolverOptions.AsSpan())
        && Hosts.AsSpan().SequenceEqual(other.Hosts.AsSpan()) && Equals(Egress, other.Egress) && Equals(RateLimit, other.RateLimit);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Network, Address, InterfaceName, Ports.Length, Egress);

    internal bool IsDefault => Equals(new NetworkSettings());
}
