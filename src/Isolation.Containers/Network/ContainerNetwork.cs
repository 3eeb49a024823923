using System.Collections.Immutable;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Containers;

/// <summary>A network that a container is on.</summary>
public abstract record ContainerNetwork
{
    private protected ContainerNetwork()
    {
    }

    /// <summary>The name of the network that containers are on which name none: <c>isolation</c>.</summary>
    public const string DefaultName = "isolation";

    /// <summary>The default bridge network, made on demand.</summary>
    public static ContainerNetwork Bridge { get; } = new BridgeNetwork(DefaultName);

    /// <summary>The user-mode network, for containers of ordinary users.</summary>
    public static ContainerNetwork UserMode { get; } = new UserModeNetwork();

    internal abstract string Describe();
}

/// <summary>A bridge of the host with a network of its own, behind which containers see each other by name and the rest
/// of the world through masquerade.</summary>
/// <remarks>Made with its first container, and removed with its last. Nobody reaches a container from outside of its network but through
/// published ports. Needs <c>CAP_NET_ADMIN</c> and <c>CAP_SYS_ADMIN</c>.</remarks>
/// <param name="Name">Its name: letters, digits, <c>_</c>, <c>-</c> and <c>.</c>, at most 32.</param>
public sealed record BridgeNetwork(string Name) : ContainerNetwork
{
    private const int MaxLinkName = 15;

    /// <summary>Its IPv4 network; null chooses a free one.</summary>
    public IPNetwork? Subnet { get; init; }

    /// <summary>Its IPv6 network; null chooses a free one, unless <see cref="IPv6"/> is false.</summary>
    public IPNetwork? SubnetV6 { get; init; }

    /// <summary>Whether it has IPv6.</summary>
    public bool IPv6 { get; init; } = true;

    /// <summary>Whether its containers reach only each other.</summary>
    public bool Internal { get; init; }

    /// <summary>The longest packet, in bytes; null for 1500.</summary>
    public int? Mtu { get; init; }

    /// <summary>The bridge's link name; null makes one of the network's name.</summary>
    public string? Link { get; init; }

    /// <summary>The bridge's own address, the containers' router: the first of the network.</summary>
    public IPAddress? Gateway => Subnet is { } subnet ? AddressAt(subnet, 1) : null;

    /// <summary>The bridge's own IPv6 address.</summary>
    public IPAddress? GatewayV6 => SubnetV6 is { } subnet ? AddressAt(subnet, 1) : null;

    internal string LinkName => Link ?? ("iso-" + Name is { Length: <= MaxLinkName } whole ? whole
        : "iso-" + Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(Name)))[..8]);

    internal string TableName => "isolation-" + Name;

    internal override string Describe() => $"bridge network \"{Name}\"";

    /// <summary>The address of a network with a number.</summary>
    internal static IPAddress AddressAt(IPNetwork network, long index)
    {
        byte[] bytes = network.BaseAddress.GetAddressBytes();
        for (int i = bytes.Length - 1; index != 0 && i >= 0; i--, index >>= 8)
            bytes[i] |= (byte)index;
        return new IPAddress(bytes);
    }
}

/// <summary>A link of its own on a link of the host, with addresses of that link's network:
/// <c>macvlan</c> has a hardware address of its own, <c>ipvlan</c> the parent's.</summary>
/// <param name="Parent">The host's link.</param>
/// <param name="Address">The container's address with its prefix.</param>
public sealed record ParentLinkNetwork(string Parent, string Address) : ContainerNetwork
{
    /// <summary>Whether it is an ipvlan; else a macvlan.</summary>
    public bool Ipvlan { get; init; }

    /// <summary>The router; null for none.</summary>
    public IPAddress? Gateway { get; init; }

    /// <summary>How macvlans of one parent see each other.</summary>
    public MacvlanMode Mode { get; init; } = MacvlanMode.Bridge;

    internal override string Describe() => $"{(Ipvlan ? "ipvlan" : "macvlan")} on link \"{Parent}\"";
}

/// <summary>A link of the host that moves into the container for as long as it lives:
/// hardware, or one that somebody else has made.</summary>
/// <remarks>Those addresses that are given here are set inside. When the container ends, or does not start, the link comes back as it was:
/// with its name, addresses, routes of all tables, permanent neighbours, queueing disciplines, sysctls, and up or down. Lost are programs
/// of BPF filters, chains of filters, entries of a bridge's tables and multicast groups. Where this process is killed before, the kernel
/// decides: hardware falls back to the host's first network namespace, and a link made by software is gone.</remarks>
/// <param name="Link">The host's link.</param>
public sealed record MovedLinkNetwork(string Link) : ContainerNetwork
{
    /// <summary>Addresses with their prefixes.</summary>
    public ImmutableArray<string> Addresses { get; init; } = [];

    /// <summary>The router; null for none.</summary>
    public IPAddress? Gateway { get; init; }

    internal override string Describe() => $"link \"{Link}\" of the host";

    /// <summary>Compares by value.</summary>
    public bool Equals(MovedLinkNetwork? other) => other is not null && Link == other.Link
        && Addresses.AsSpan().SequenceEqual(other.Addresses.AsSpan()) && Equals(Gateway, other.Gateway);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Link, Addresses.Length, Gateway);
}

/// <summary>Which program is the user-mode stack.</summary>
public enum UserModeStackKind
{
    /// <summary>pasta where it is installed, else slirp4netns.</summary>
    Auto,

    /// <summary>pasta, of the package passt.</summary>
    Pasta,

    /// <summary>slirp4netns.</summary>
    Slirp4netns,
}

/// <summary>A network made by a program of the host that turns packets into ordinary sockets:
/// what ordinary users, who may make no links outside, have.</summary>
public sealed record UserModeNetwork : ContainerNetwork
{
    /// <summary>Which program.</summary>
    public UserModeStackKind Stack { get; init; }

    internal override string Describe() => Stack switch
    {
        UserModeStackKind.Pasta => "the user-mode network of pasta",
        UserModeStackKind.Slirp4netns => "the user-mode network of slirp4netns",
        _ => "the user-mode network",
    };
}

/// <summary>A name with an address, for /etc/hosts.</summary>
/// <param name="Name">The name.</param>
/// <param name="Address">The address.</param>
public sealed record HostEntry(string Name, IPAddress Address)
{
    /// <summary>Reads <c>NAME:ADDRESS</c>, as docker does.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static HostEntry Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && EgressRule.IsHostName(text[..colon])
            && IPAddress.TryParse(text[(colon + 1)..].Trim('[', ']'), out IPAddress? address)
            ? new HostEntry(text[..colon], address) : throw new FormatException($"\"{text}\" is not NAME:ADDRESS.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}:{Address}";
}

/// <summary>How a container is connected.</summary>
public sealed record NetworkSettings
{
    /// <summary>The network that it is on; null for none: only <c>lo</c>.</summary>
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

    /// <summary>Ports of the host that lead to it.</summary>
    public ImmutableArray<PublishedPort> Ports { get; init; } = [];

    /// <summary>Name servers for its /etc/resolv.conf; empty takes the host's, without those on the host's own loopback.</summary>
    public ImmutableArray<IPAddress> NameServers { get; init; } = [];

    /// <summary>Domains that short names are searched in; empty takes the host's, and <c>.</c> alone means none.</summary>
    public ImmutableArray<string> SearchDomains { get; init; } = [];

    /// <summary>Options of its /etc/resolv.conf, such as <c>ndots:2</c>; empty takes the host's. See resolv.conf(5).</summary>
    public ImmutableArray<string> ResolverOptions { get; init; } = [];

    /// <summary>Further lines for its /etc/hosts.</summary>
    public ImmutableArray<HostEntry> Hosts { get; init; } = [];

    /// <summary>Where it may connect to; null for anywhere.</summary>
    public EgressPolicy? Egress { get; init; }

    /// <summary>How fast it may send and receive; null for no limit.</summary>
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
