using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Isolation.Containers;

/// <summary>A port of the host, or a range, that leads to a port of the container.</summary>
/// <example><code>
/// builder = builder.WithNetwork("web").AddPublishedPort(new PublishedPort(8080, 80) { HostAddress = IPAddress.Loopback });
/// </code></example>
/// <param name="HostPort">The host's first port.</param>
/// <param name="ContainerPort">The container's first port.</param>
public sealed record PublishedPort(ushort HostPort, ushort ContainerPort)
{
    private const int MaxCount = 1024;

    /// <summary>The number of consecutive ports.</summary>
    public int Count { get; init; } = 1;

    /// <summary>The address of the host; <c>0.0.0.0</c> for all of IPv4, <c>::</c> for all of IPv6, null for all of both.</summary>
    public IPAddress? HostAddress { get; init; }

    /// <summary>The transport protocol.</summary>
    public PortProtocol Protocol { get; init; } = PortProtocol.Tcp;

    /// <summary>Publishes on a free port of the host, which the kernel chooses: <c>-p 80</c> of docker.</summary>
    /// <remarks>The port is held from then on, by a socket, until a container that this process starts takes it, or this process ends:
    /// nobody else gets it. A user-mode network lets go of it for the moment in which its program takes it.</remarks>
    /// <param name="containerPort">The container's port.</param>
    /// <param name="hostAddress">The address of the host, as <see cref="HostAddress"/>.</param>
    /// <param name="protocol">The transport protocol.</param>
    /// <exception cref="SocketException">The host has no such address or protocol.</exception>
    public static PublishedPort OnFreePort(ushort containerPort, IPAddress? hostAddress = null, PortProtocol protocol = PortProtocol.Tcp) =>
        new(PortHold.Choose(hostAddress, protocol), containerPort) { HostAddress = hostAddress, Protocol = protocol };

    /// <summary>Reads <c>[ADDRESS:]HOSTPORT[-LAST]:PORT[-LAST][/tcp|udp|sctp]</c>, as docker does;
    /// an IPv6 address stands in brackets. One port alone is both.</summary>
    /// <exception cref="FormatException">The text is not a port such as 127.0.0.1:8080:80/tcp.</exception>
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
            address = IPAddress.TryParse(rest.AsSpan(1, bracket - 1), out IPAddress? v6)
                ? v6
                : throw Bad(text, $"\"{rest[1..bracket]}\" is not an IP address");
            rest = rest[(bracket + 2)..];
        }

        string[] parts = rest.Split(':');
        if (parts.Length == 3 && address is null)
        {
            address = IPAddress.TryParse(parts[0], out IPAddress? v4) && parts[0].Count(c => c == '.') == 3
                ? v4
                : throw Bad(text, $"\"{parts[0]}\" is not an IP address");
            parts = parts[1..];
        }

        if (parts.Length is < 1 or > 2)
            throw Bad(text, "it is not [ADDRESS:]HOSTPORT:PORT");
        (ushort host, int hostCount) = Range(parts[0], text);
        (ushort inside, int count) = Range(parts[^1], text);
        if (hostCount != count)
            throw Bad(text, $"{hostCount} ports of the host cannot lead to {count} of the container");
        return new PublishedPort(host, inside) { Count = count, HostAddress = address, Protocol = protocol };
    }

    /// <summary>The port as docker writes it.</summary>
    public override string ToString()
    {
        string host = HostAddress is null ? "" : HostAddress.AddressFamily == AddressFamily.InterNetworkV6 ? $"[{HostAddress}]:"
            : $"{HostAddress}:";
        string Last(ushort first) => Count == 1 ? "" : string.Create(CultureInfo.InvariantCulture, $"-{first + Count - 1}");
        return string.Create(CultureInfo.InvariantCulture,
            $"{host}{HostPort}{Last(HostPort)}:{ContainerPort}{Last(ContainerPort)}/{ProtocolName}");
    }

    internal string ProtocolName => Protocol.ToString().ToLowerInvariant();

    /// <summary>The one address of the host from which it leads; null where it does from all, of a family or of both.</summary>
    internal IPAddress? OneAddress => HostAddress is null || HostAddress.Equals(IPAddress.Any) || HostAddress.Equals(IPAddress.IPv6Any)
        ? null : HostAddress;

    /// <summary>Whether it leads from addresses of IPv6, or of IPv4.</summary>
    internal bool IsOf(bool v6) => HostAddress is null || HostAddress.AddressFamily == AddressFamily.InterNetworkV6 == v6;

    /// <summary>Whether it leads from an address of the host.</summary>
    internal bool IsAt(IPAddress address) => IsOf(address.AddressFamily == AddressFamily.InterNetworkV6)
        && (OneAddress is null || OneAddress.Equals(address));

    /// <summary>Whether both want a same port of the host.</summary>
    internal bool Overlaps(PublishedPort other) => Protocol == other.Protocol
        && (OneAddress is { } address ? other.IsAt(address) : other.OneAddress is { } theirs ? IsAt(theirs) : IsOf(v6: false)
            && other.IsOf(v6: false) || IsOf(v6: true) && other.IsOf(v6: true))
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

    private static FormatException Bad(string text, string why) =>
        new($"\"{text}\" is not a port to publish, such as 8080:80, 127.0.0.1:8080:80/tcp or 7000-7009:7000-7009/udp: {why}.");
}
