using System.Globalization;
using System.Net;

namespace Isolation.Containers;

/// <summary>A transport protocol with ports.</summary>
public enum PortProtocol : byte
{
    /// <summary>TCP.</summary>
    Tcp = 6,

    /// <summary>UDP.</summary>
    Udp = 17,

    /// <summary>SCTP.</summary>
    Sctp = 132,
}

/// <summary>A port of the host, or a range, that leads to a port of the container.</summary>
/// <param name="HostPort">The host's first port.</param>
/// <param name="ContainerPort">The container's first port.</param>
public sealed record PublishedPort(ushort HostPort, ushort ContainerPort)
{
    private const int MaxCount = 1024;

    /// <summary>How many ports follow each other.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The address of the host; null for all of them, IPv4 and IPv6.</summary>
    public IPAddress? HostAddress { get; init; }

    /// <summary>The transport protocol.</summary>
    public PortProtocol Protocol { get; init; } = PortProtocol.Tcp;

    /// <summary>Reads <c>[ADDRESS:]HOSTPORT[-LAST]:PORT[-LAST][/tcp|udp|sctp]</c>, as docker does; an IPv6 address stands in brackets. One port alone is both.</summary>
    /// <exception cref="FormatException">The text is none.</exception>
    public static PublishedPort Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        PortProtocol protocol = slash < 0 ? PortProtocol.Tcp : text[(slash + 1)..] switch
        {
            "tcp" => PortProtocol.Tcp,
            "udp" => PortProtocol.Udp,
            "sctp" => PortProtocol.Sctp,
            _ => throw Bad(text, "the protocol is tcp, udp or sctp"),
        };
        string rest = slash < 0 ? text : text[..slash];
        IPAddress? address = null;
        int bracket = rest.LastIndexOf("]:", StringComparison.Ordinal);
        if (rest.StartsWith('[') && bracket > 0)
        {
            address = IPAddress.TryParse(rest.AsSpan(1, bracket - 1), out IPAddress? v6) ? v6 : throw Bad(text, $"\"{rest[1..bracket]}\" is not an IP address");
            rest = rest[(bracket + 2)..];
        }

        string[] parts = rest.Split(':');
        if (parts.Length == 3 && address is null)
        {
            address = IPAddress.TryParse(parts[0], out IPAddress? v4) && parts[0].Count(c => c == '.') == 3 ? v4 : throw Bad(text, $"\"{parts[0]}\" is not an IP address");
            parts = parts[1..];
        }

        if (parts.Length is < 1 or > 2)
            throw Bad(text, "it is not [ADDRESS:]HOSTPORT:PORT");
        (ushort host, int hostCount) = Range(parts[0], text);
        (ushort inside, int count) = Range(parts[^1], text);
        if (hostCount != count)
            throw Bad(text, $"{hostCount} ports of the host cannot lead to {count} of the container");
        bool any = address is not null && (address.Equals(IPAddress.Any) || address.Equals(IPAddress.IPv6Any));
        return new PublishedPort(host, inside) { Count = count, HostAddress = any ? null : address, Protocol = protocol };
    }

    /// <summary>The port as docker writes it.</summary>
    public override string ToString()
    {
        string host = HostAddress is null ? "" : HostAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? $"[{HostAddress}]:" : $"{HostAddress}:";
        string Last(ushort first) => Count == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"-{first + Count - 1}");
        return string.Create(CultureInfo.InvariantCulture, $"{host}{HostPort}{Last(HostPort)}:{ContainerPort}{Last(ContainerPort)}/{ProtocolName}");
    }

    internal string ProtocolName => Protocol.ToString().ToLowerInvariant();

    /// <summary>Whether both want a same port of the host.</summary>
    internal bool Overlaps(PublishedPort other) => Protocol == other.Protocol && (HostAddress is null || other.HostAddress is null || HostAddress.Equals(other.HostAddress))
        && HostPort < other.HostPort + other.Count && other.HostPort < HostPort + Count;

    private static (ushort First, int Count) Range(string text, string whole)
    {
        string[] ends = text.Split('-');
        ushort last = 0;
        if (ends.Length > 2 || !ushort.TryParse(ends[0], NumberStyles.None, CultureInfo.InvariantCulture, out ushort first) || first == 0
            || (ends.Length == 2 && (!ushort.TryParse(ends[1], NumberStyles.None, CultureInfo.InvariantCulture, out last) || last < first)))
        {
            throw Bad(whole, $"\"{text}\" is neither a port from 1 to 65535 nor a range of them");
        }

        int count = ends.Length == 2 ? last - first + 1 : 1;
        return count <= MaxCount ? (first, count) : throw Bad(whole, $"a range has at most {MaxCount} ports");
    }

    private static FormatException Bad(string text, string why) => new($"\"{text}\" is not a port to publish, such as 8080:80, 127.0.0.1:8080:80/tcp or 7000-7009:7000-7009/udp: {why}.");
}
