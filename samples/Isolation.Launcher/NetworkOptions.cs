using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using Isolation.Containers;
using Isolation.Namespaces;
using Isolation.Net.TrafficControl;

namespace Isolation.Launcher;

/// <summary>What the flags of <c>run</c> say about the network.</summary>
internal sealed record NetworkOptions
{
    private const string Join = "container:";

    /// <summary>The flags, with what they do.</summary>
    internal static readonly ImmutableArray<Flag<NetworkOptions>> Flags =
    [
        new("--net --network",
            "none|host|bridge|NAME|container:ID|pasta|slirp4netns|macvlan:LINK:ADDRESS[:ROUTER]|ipvlan:...|link:LINK[:ADDRESS[:ROUTER]]",
            "network (default: none); NAME is a bridge made on demand", (o, v) => o.WithNetwork(v)),
        new("-p --publish", "[[ADDR:][PORT[-N]]:]PORT[-N][/PROTO]",
            "let a port of the host lead to the container; a free one, which is printed, where none is given", (o, v) => o.Publish(v)),
        new("--ip --ip6", "ADDRESS", "address on a bridge network", (o, v) => o.WithAddress(v)),
        new("--mac-address", "MAC", "hardware address", (o, v) => o.With(s => s with { HardwareAddress = ParseHardwareAddress(v) })),
        new("--network-alias --net-alias", "NAME", "further name for others of the network",
            (o, v) => o.With(s => s with { Aliases = s.Aliases.Add(v) })),
        new("--dns", "ADDRESS", "name server, in the place of the host's",
            (o, v) => o.With(s => s with { NameServers = s.NameServers.Add(ParseAddress(v)) })),
        new("--dns-search", "DOMAIN", "domain for short names, in the place of the host's; . for none",
            (o, v) => o.With(s => s with { SearchDomains = s.SearchDomains.Add(v) })),
        new("--dns-option --dns-opt", "OPTION", "option of resolv.conf, such as ndots:2, in the place of the host's",
            (o, v) => o.With(s => s with { ResolverOptions = s.ResolverOptions.Add(v) })),
        new("--add-host", "NAME:ADDRESS", "line for /etc/hosts", (o, v) => o.With(s => s with { Hosts = s.Hosts.Add(HostEntry.Parse(v)) })),
        new("--net-egress", "RATE", "limit of what it sends, such as 10mbit", (o, v) =>
            o.With(s => s with { RateLimit = (s.RateLimit ?? new RateLimit()) with { Egress = BitRate.Parse(v) } })),
        new("--net-ingress", "RATE", "limit of what it receives", (o, v) =>
            o.With(s => s with { RateLimit = (s.RateLimit ?? new RateLimit()) with { Ingress = BitRate.Parse(v) } })),
        new("--egress-allow", "none|DEST[:PORT[-N]][/PROTO]", "let it connect only there: an address, network, name or *", (o, v) =>
            o.With(s => s with { Egress = v == "none" ? s.Egress ?? EgressPolicy.DenyAll : (s.Egress ?? EgressPolicy.DenyAll).Allow(v) })),
    ];

    private NetworkSettings Settings { get; init; } = new();

    /// <summary>Ports of the host that were chosen here.</summary>
    internal ImmutableArray<PublishedPort> ChosenPorts { get; private init; } = [];

    /// <summary>The container, or process, whose network is joined.</summary>
    private string? Joined { get; init; }

    internal bool SharedWithHost { get; private init; }

    internal ContainerBuilder Apply(ContainerBuilder builder)
    {
        if (Joined is not null)
            builder = builder.AddJoinedNamespaces(NamespaceKinds.Net, RunningContainers.OpenProcess(Joined));
        return builder.WithNetworkSettings(Settings).WithEgress(Settings.Egress);
    }

    private NetworkOptions With(Func<NetworkSettings, NetworkSettings> change) => this with { Settings = change(Settings) };

    private NetworkOptions WithNetwork(string text)
    {
        if (text.StartsWith(Join, StringComparison.Ordinal))
            return this with
            {
                Joined = text.Length > Join.Length
                    ? text[Join.Length..]
                    : throw new FormatException($"\"{text}\" is not container:NAME or container:PID."),
                SharedWithHost = false,
                Settings = Settings with { Network = null }
            };
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
        string[] parts = [.. System.Text.RegularExpressions.Regex.Split(text, @":(?![^\[]*\])")
            .Select(p => p.Replace("[", "", StringComparison.Ordinal).Replace("]", "", StringComparison.Ordinal))];
        IPAddress? gateway = parts.Length > 3 ? ParseAddress(parts[3]) : null;
        return parts switch
        {
            ["macvlan" or "ipvlan", var link, var address, ..] when parts.Length <= 4 =>
                new ParentLinkNetwork(link, address) { Ipvlan = parts[0] == "ipvlan", Gateway = gateway },
            ["link", var link, ..] when parts.Length <= 4 =>
                new MovedLinkNetwork(link) { Addresses = parts.Length > 2 ? [parts[2]] : [], Gateway = gateway },
            [{ } name] when name is not ("macvlan" or "ipvlan" or "link" or "container") => new BridgeNetwork(name),
            _ => throw new FormatException($"\"{text}\" is not none, host, bridge, pasta, slirp4netns, container:ID, the name of a "
                + "network, macvlan:LINK:ADDRESS[:ROUTER], ipvlan:LINK:ADDRESS[:ROUTER] or link:LINK[:ADDRESS[:ROUTER]]."),
        };
    }

    /// <summary>Publishes ports. Where the host's is left out (<c>80</c>, <c>ADDR::80</c>), it is a free one: docker-container-run(1),
    /// --publish.</summary>
    private NetworkOptions Publish(string text)
    {
        string rest = text.Split('/')[0];
        int bracket = rest.LastIndexOf(']') + 1;
        string[] parts = rest[bracket..].Split(':');
        // 80, :80, ADDR::80 and [ADDR]::80
        bool isFree = bracket == 0 ? parts is [_] or ["", _] or [_, "", _] : parts is ["", "", _];
        if (!isFree)
            return With(s => s with { Ports = s.Ports.Add(PublishedPort.Parse(text)) });
        string address = bracket > 0 ? rest[..bracket] + ":" : parts.Length == 3 ? parts[0] + ":" : "";
        PublishedPort inside = PublishedPort.Parse($"{address}{parts[^1]}:{parts[^1]}{text[rest.Length..]}");
        return Enumerable.Range(0, inside.Count).Aggregate(this, (options, i) =>
        {
            PublishedPort port = FreePort.Find(text, i, (ushort)(inside.ContainerPort + i), inside.HostAddress, inside.Protocol);
            return options.With(s => s with { Ports = s.Ports.Add(port) }) with { ChosenPorts = options.ChosenPorts.Add(port) };
        });
    }

    private NetworkOptions WithAddress(string text)
    {
        IPAddress address = ParseAddress(text);
        return With(s => address.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6
            ? s with { AddressV6 = address }
            : s with { Address = address });
    }

    // "1" and "10.1" are addresses for the runtime.
    private static IPAddress ParseAddress(string text) =>
        IPAddress.TryParse(text, out IPAddress? address) && (text.Contains(':', StringComparison.Ordinal) || text.Count(c => c == '.') == 3)
            ? address : throw new FormatException($"\"{text}\" is not an IP address.");

    private static PhysicalAddress ParseHardwareAddress(string text) => PhysicalAddress.TryParse(text, out PhysicalAddress? address)
        && address.GetAddressBytes().Length == 6
        ? address : throw new FormatException(string.Create(CultureInfo.InvariantCulture,
            $"\"{text}\" is not a hardware address, such as 02:00:00:00:00:01."));
}
