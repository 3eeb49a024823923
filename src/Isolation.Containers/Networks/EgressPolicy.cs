using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Isolation.Containers;

/// <summary>The destinations that a container may connect to; all others are refused. In force before its first instruction,
/// by a packet filter in its own network namespace.</summary>
/// <remarks>Answers to connections that come in are let through. A refused connection fails at once (ICMP: administratively
/// prohibited). A container with a policy must have neither <c>CAP_NET_ADMIN</c>, by which it could change the filter, nor
/// <c>CAP_NET_RAW</c>, by which it could send packets past it. Names are looked up at the start; no name server is allowed unless it is
/// listed.</remarks>
/// <example><code>
/// EgressPolicy policy = EgressPolicy.DenyAll.Allow("10.0.0.0/8").Allow("example.com:443/tcp");
/// bool may = policy.Allows(IPAddress.Parse("10.1.2.3"), PortProtocol.Tcp, 5432);
/// </code></example>
public sealed record EgressPolicy
{
    /// <summary>The policy that allows nothing.</summary>
    public static EgressPolicy DenyAll { get; } = new();

    /// <summary>The allowed destinations.</summary>
    public ImmutableArray<EgressRule> Rules { get; init; } = [];

    /// <summary>Adds an allowed destination; see <see cref="EgressRule.Parse"/>.</summary>
    /// <exception cref="FormatException">The text is no destination.</exception>
    public EgressPolicy Allow(string destination) => Allow(EgressRule.Parse(destination));

    /// <summary>Adds an allowed destination.</summary>
    public EgressPolicy Allow(EgressRule rule) => this with { Rules = Rules.Add(rule) };

    /// <summary>Whether a connection would be allowed. A pure function, but for names, which are what they are said to be.</summary>
    /// <param name="destination">The address.</param>
    /// <param name="protocol">The transport protocol.</param>
    /// <param name="port">The port.</param>
    /// <param name="addressesOf">The addresses of names; null takes no name to have any.</param>
    public bool Allows(IPAddress destination, PortProtocol protocol, ushort port,
        Func<string, IReadOnlyList<IPAddress>>? addressesOf = null)
    {
        ArgumentNullException.ThrowIfNull(destination);
        return IPAddress.IsLoopback(destination) || Rules.Any(r => r.Allows(destination, protocol, port, addressesOf ?? (static _ => [])));
    }

    /// <summary>Compares by value.</summary>
    public bool Equals(EgressPolicy? other) => other is not null && Rules.AsSpan().SequenceEqual(other.Rules.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Rules.Length;

    /// <summary>A line for each rule.</summary>
    public override string ToString() => Rules.IsEmpty ? "deny all" : "deny all but " + string.Join(", ", Rules);
}
