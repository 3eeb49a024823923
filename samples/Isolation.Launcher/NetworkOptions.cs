using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Containers;
using Isolation.Namespaces;
using Isolation.Net;

namespace Isolation.Launcher;

/// <summary>What the flags of <c>run</c> say about the network.</summary>
internal sealed record NetworkOptions
{
    private const string Join = "container:";

    /// <summary>The flags, with what they do.</summary>
    internal static readonly (string Names, string Value, string Help, Func<NetworkOptions, string, NetworkOptions> Apply)[] Flags =
    [
        ("--net --network", "none|host|bridge|NAME|container:ID|pasta|slirp4netns|macvlan:LINK:ADDRESS[:ROUTER]|ipvlan:...|link:LINK[:ADDRESS[:ROUTER]]", "network (default: none); NAME is a bridge made on demand", (o, v) => o.WithNetwork(v)),
        ("-p --publish", "[ADDR:]PORT[-N]:PORT[-N][/PROTO]", "let a port of the host lead to the container", (o, v) => o.With(s => s with { Ports = s.Ports.Add(PublishedPort.Parse(v)) })),
        ("--ip --ip6", "ADDRESS", "address on a bridge network", (o, v) => o.WithAddress(v)),
        ("--mac-address", "MAC", "hardware address", (o, v) => o.With(s => s with { HardwareAddress = ParseHardwareAddress(v) })),
        ("--network-alias --net-alias", "NAME", "further name for others of the network", (o, v) => o.With(s => s with { Aliases = s.Aliases.Add(v) })),
        ("--dns", "ADDRESS", "name server, in the place of the host's", (o, v) => o.With(s => s with { NameServers = s.NameServers.Add(IPAddress.Parse(v)) })),
        ("--dns-search", "DOMAIN", "domain for short names", (o, v) => o.With(s => s with { SearchDomains = s.SearchDomains.Add(v) })),
        ("--add-host", "NAME:ADDRESS", "line for /etc/hosts", (o, v) => o.With(s => s with { Hosts = s.Hosts.Add(HostEntry.Parse(v)) })),
        ("--net-egress", "RATE", "limit of what it sends, such as 10mbit", (o, v) => o.With(s => s with { RateLimit = (s.RateLimit ?? new RateLimit()) with { Egress = BitRate.Parse(v) } })),
        ("--net-ingress", "RATE", "limit of what it receives", (o, v) => o.With(s => s with { RateLimit = (s.RateLimit ?? new RateLimit()) with { Ingress = BitRate.Parse(v) } })),
        ("--egress-allow", "none|DEST[:PORT[-N]][/PROTO]", "let it connect only there: an address, network, name or *", (o, v) => o.With(s => s with { Egress = v == "none" ? s.Egress ?? EgressPolicy.DenyAll : (s.Egress ?? EgressPolicy.DenyAll).Allow(v) })),
    ];

    private NetworkSettings Settings { get; init; } = new();

    /// <summary>The container, or process, whose network is joined.</summary>
    private string? Joined { get; init; }

    internal bool SharedWithHost { get; private init; }

    internal ContainerBuilder Apply(ContainerBuilder builder)
    {
        if (Joined is not null)
            builder = builder.AddJoinedNamespaces(NamespaceKinds.Net, RunningContainers.FindProcess(Joined));
        return builder.WithNetworkSettings(Settings).WithEgress(Settings.Egress);
    }

    private NetworkOptions With(Func<NetworkSettings, NetworkSettings> change) => this with { Settings = change(Settings) };

    private NetworkOptions WithNetwork(string text)
    {
        if (text.StartsWith(Join, StringComparison.Ordinal))
            return this with { Joined = text.Length > Join.Length ? text[Join.Length..] : throw new FormatException($"\"{text}\" is not container:NAME or container:PID."), SharedWithHost = false, Settings = Settings with { Network = null } };
        if (text == "host")
            return this with { SharedWithHost = true, Joined = null, Settings = Settings with { Network = null } };
        return With(s => s with { Network = Parse(text) }) with { SharedWithHost = false, Joined = null };
    }

    private static ContainerNetwork? Parse(string text)
    {
        switch (text)
        {
            case "none":
                return null;
            case "bridge":
                return ContainerNetwork.Bridge;
            case "pasta":
                return new UserModeNetwork { Stack = UserModeStackKind.Pasta };
            case "slirp4netns":
                return new UserModeNetwork { Stack = UserModeStackKind.Slirp4netns };
        }

        // An IPv6 address has colons of its own: it stands in brackets.
        string[] parts = [.. System.Text.RegularExpressions.Regex.Split(text, @":(?![^\[]*\])").Select(p => p.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal))];
        IPAddress? gateway = parts.Length > 3 ? IPAddress.Parse(parts[3]) : null;
        return parts switch
        {
            ["macvlan" or "ipvlan", var link, var address, ..] when parts.Length <= 4 => new ParentLinkNetwork(link, address) { Ipvlan = parts[0] == "ipvlan", Gateway = gateway },
            ["link", var link, ..] when parts.Length <= 4 => new MovedLinkNetwork(link) { Addresses = parts.Length > 2 ? [parts[2]] : [], Gateway = gateway },
            [{ } name] when name is not ("macvlan" or "ipvlan" or "link" or "container") => new BridgeNetwork(name),
            _ => throw new FormatException($"\"{text}\" is not none, host, bridge, pasta, slirp4netns, container:ID, the name of a network, macvlan:LINK:ADDRESS[:ROUTER], ipvlan:LINK:ADDRESS[:ROUTER] or link:LINK[:ADDRESS[:ROUTER]]."),
        };
    }

    private NetworkOptions WithAddress(string text)
    {
        IPAddress address = IPAddress.TryParse(text, out IPAddress? parsed) ? parsed : throw new FormatException($"\"{text}\" is not an IP address.");
        return With(s => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6 ? s with { AddressV6 = address } : s with { Address = address });
    }

    private static PhysicalAddress ParseHardwareAddress(string text) => PhysicalAddress.TryParse(text, out PhysicalAddress? address) && address.GetAddressBytes().Length == 6
        ? address : throw new FormatException(string.Create(CultureInfo.InvariantCulture, $"\"{text}\" is not a hardware address, such as 02:00:00:00:00:01."));
}
