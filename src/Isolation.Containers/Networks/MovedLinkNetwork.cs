using System.Collections.Immutable;
using System.Net;

namespace Isolation.Containers;

/// <summary>A link of the host that moves into the container for as long as it lives:
/// hardware, or one that somebody else has made.</summary>
/// <remarks>Those addresses that are given here are set inside. When the container ends, or does not start, the link comes back as it was:
/// with its name, addresses, routes of all tables, permanent neighbours, queueing disciplines, sysctls, and up or down. Lost are programs
/// of BPF filters, chains of filters, entries of a bridge's tables and multicast groups. Where this process is killed before, the kernel
/// decides: hardware falls back to the host's first network namespace, and a link made by software is gone.</remarks>
/// <example><code>builder = builder.WithNetwork(new MovedLinkNetwork("eth1") { Addresses = ["192.0.2.7/24"] });</code></example>
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
