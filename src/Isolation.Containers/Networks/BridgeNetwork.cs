using System.Net;

namespace Isolation.Containers;

/// <summary>A bridge of the host with a network of its own, behind which containers see each other by name and the rest
/// of the world through masquerade.</summary>
/// <remarks>Made with its first container, and removed with its last. Nobody reaches a container from outside of its network but through
/// published ports. Needs <c>CAP_NET_ADMIN</c> and <c>CAP_SYS_ADMIN</c>.</remarks>
/// <example><code>
/// builder = builder.WithNetwork(new BridgeNetwork("web") { Subnet = IPNetwork.Parse("10.90.0.0/24"), Internal = true });
/// </code></example>
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
