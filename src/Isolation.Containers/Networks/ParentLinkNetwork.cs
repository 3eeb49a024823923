using System.Net;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>A link of its own on a link of the host, with addresses of that link's network:
/// <c>macvlan</c> has a hardware address of its own, <c>ipvlan</c> the parent's.</summary>
/// <example><code>
/// builder = builder.WithNetwork(new ParentLinkNetwork("eth0", "192.0.2.7/24") { Gateway = IPAddress.Parse("192.0.2.1") });
/// </code></example>
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
