using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Isolation.Containers;

/// <summary>A destination that a container may connect to: a network or a name, with or without a port.</summary>
/// <example><code>EgressRule rule = EgressRule.Parse("10.0.0.0/8:5432/tcp");</code></example>
public sealed record EgressRule
{
    /// <summary>The network; null where a name is given, or where it is anywhere.</summary>
    public IPNetwork? Network { get; init; }

    /// <summary>A DNS name, looked up when the container starts; null where a network is given. The addresses that it then has are those
    /// that the container sees: they are put into its /etc/hosts.</summary>
    public string? HostName { get; init; }

    /// <summary>The transport protocol; null for any.</summary>
    public PortProtocol? Protocol { get; init; }

    /// <summary>The first port; null for any.</summary>
    public ushort? Port { get; init; }

    /// <summary>The last port, of a range.</summary>
    public ushort? LastPort { get; init; }

    /// <summary>Reads <c>DESTINATION[:PORT[-LAST]][/tcp|udp|sctp]</c>: the destination is an address, a network, a name, or <c>*</c>;
    /// an IPv6 one with a port stands in brackets.</summary>
    /// <exception cref="FormatException">The text is not a destination such as 10.0.0.0/8:443/tcp.</exception>
    public static EgressRule Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string rest = text;
        var rule = new EgressRule();
        foreach (PortProtocol protocol in Enum.GetValues<PortProtocol>())
        {
            string suffix = "/" + protocol.ToString().ToLowerInvariant();
            if (rest.EndsWith(suffix, StringComparison.Ordinal))
                (rest, rule) = (rest[..^suffix.Length], rule with { Protocol = protocol });
        }

        int bracket = rest.StartsWith('[') ? rest.IndexOf(']', StringComparison.Ordinal) : -1;
        string destination = bracket > 0 ? rest[1..bracket] : rest;
        string ports = bracket > 0 ? rest[(bracket + 1)..] : "";
        int colon = rest.LastIndexOf(':');
        // More than one colon without brackets is an IPv6 address.
        if (bracket < 0 && colon >= 0 && rest.IndexOf(':', StringComparison.Ordinal) == colon)
            (destination, ports) = (rest[..colon], rest[colon..]);
        if (ports.Length > 0)
            rule = WithPorts(rule, ports, text);
        if (destination == "*")
            return rule;
        if (IPAddress.TryParse(destination, out IPAddress? address)
            && (address.AddressFamily == AddressFamily.InterNetworkV6 || destination.Count(c => c == '.') == 3))
            return rule with { Network = new IPNetwork(address, address.GetAddressBytes().Length * 8) };
        if (destination.Contains('/', StringComparison.Ordinal))
            return rule with
            {
                Network = IPNetwork.TryParse(destination, out IPNetwork network)
                    && IPAddress.TryParse(destination.AsSpan(0, destination.IndexOf('/', StringComparison.Ordinal)), out IPAddress? start)
                    && start.Equals(network.BaseAddress)
                    ? network
                    : throw Bad(text, $"\"{destination}\" is not a network: its bits behind the prefix must be zero")
            };
        return IsHostName(destination)
            ? rule with { HostName = destination.ToLowerInvariant() }
            : throw Bad(text, $"\"{destination}\" is neither an address, nor a network, nor a name");
    }

    /// <summary>The rule as it is read.</summary>
    public override string ToString()
    {
        string destination = HostName ?? Network?.ToString() ?? "*";
        if (Network is { } network && network.PrefixLength == network.BaseAddress.GetAddressBytes().Length * 8)
            destination = network.BaseAddress.ToString();
        string port = Port is { } first
            ? string.Create(CultureInfo.InvariantCulture, $":{first}{(LastPort is { } last ? $"-{last}" : "")}")
            : "";
        if (port.Length > 0 && destination.Contains(':', StringComparison.Ordinal))
            destination = $"[{destination}]";
        return $"{destination}{port}{(Protocol is { } protocol ? "/" + protocol.ToString().ToLowerInvariant() : "")}";
    }

    internal bool Allows(IPAddress destination, PortProtocol protocol, ushort port, Func<string, IReadOnlyList<IPAddress>> addressesOf) =>
        (Protocol is null || Protocol == protocol) && (Port is not { } first || (port >= first && port <= (LastPort ?? first)))
        && (HostName is not null
            ? addressesOf(HostName).Contains(destination)
            : Network is not { } network || network.Contains(destination));

    internal static bool IsHostName(string text) => text.Length is > 0 and <= 253 && text.Split('.')
        .All(l => l.Length is > 0 and <= 63 && l.All(c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_') && l[0] != '-' && l[^1] != '-');

    private static EgressRule WithPorts(EgressRule rule, string text, string whole)
    {
        string[] ends = text[1..].Split('-');
        ushort last = 0;
        if (text[0] != ':' || ends.Length > 2
            || !ushort.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort first) || first == 0
            || (ends.Length == 2 && (!ushort.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out last) || last < first)))
        {
            throw Bad(whole, $"\"{text}\" is neither a port nor a range of ports");
        }

        return rule with { Port = first, LastPort = ends.Length == 2 && last != first ? last : null };
    }

    private static FormatException Bad(string text, string why) =>
        new($"\"{text}\" is not a destination, such as 10.0.0.0/8, 192.0.2.7:443/tcp, [fd00::1]:53/udp or example.com:443: {why}.");
}
