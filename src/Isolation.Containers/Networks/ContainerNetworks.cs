using System.Collections.Immutable;
using System.Net;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Net.Routing;

namespace Isolation.Containers;

/// <summary>Bridge networks by name: made, listed, removed. What is made stays across restarts of the machine;
/// its bridge exists only while it has containers.</summary>
/// <example><code>
/// BridgeNetwork web = ContainerNetworks.Create(new BridgeNetwork("web"));
/// ContainerNetworks.Remove(web.Name);
/// </code></example>
public static class ContainerNetworks
{
    /// <summary>Makes a network. Free subnets are chosen where none are given.</summary>
    /// <exception cref="LinuxException"><c>EEXIST</c>: there is one with that name, or its subnet overlaps another's.</exception>
    /// <exception cref="ArgumentException">The name cannot be one.</exception>
    public static BridgeNetwork Create(BridgeNetwork network)
    {
        ArgumentNullException.ThrowIfNull(network);
        if (StateName.FaultOf(network.Name, StateName.MaxNetworkLength) is { } fault)
            throw new ArgumentException($"\"{network.Name}\" cannot be a network's name: it {fault}.", nameof(network));
        return NetworkState.Do(() => CreateCore(network));
    }

    private static BridgeNetwork CreateCore(BridgeNetwork network)
    {
        using NetworkState state = NetworkState.Open();
        if (ReadDefinitions().Any(n => n.Name == network.Name) || state.FindNetwork(network.Name) is not null)
            throw new LinuxException("make", network.Describe(), "link(2)", Errno.EEXIST, remedy: "There is one with that name already.");
        using RouteSocket route = RouteSocket.Open();
        BridgeNetwork complete = Subnets.Complete(network, [.. ReadDefinitions(), .. state.ReadNetworks()], route);
        string path = PathOf(network.Name);
        try
        {
            Directory.CreateDirectory(NetworkDirectories.Definitions);
            File.WriteAllText(path + ".new", NetworkJson.Write(complete));
            File.Move(path + ".new", path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw LinuxException.Of("write", $"\"{path}\"", e, remedy: e.Message.Split('\n')[0]);
        }

        return complete;
    }

    /// <summary>All networks that were made, or are in use.</summary>
    public static ImmutableArray<ContainerNetworkState> List() => NetworkState.Do(ListCore);

    private static ImmutableArray<ContainerNetworkState> ListCore()
    {
        using NetworkState state = NetworkState.Open();
        Dictionary<string, BridgeNetwork> used = state.ReadNetworks().ToDictionary(n => n.Name);
        return
        [
            .. ReadDefinitions().Concat(used.Values).DistinctBy(n => n.Name).OrderBy(n => n.Name,
                StringComparer.Ordinal).Select(n => new ContainerNetworkState(used.GetValueOrDefault(n.Name, n), used.ContainsKey(n.Name),
                [.. state.ReadLeases(n.Name).Where(l => l.IsAlive)
                    .Select(l => new NetworkMember(l.Names.FirstOrDefault(l.Id), l.Address, l.AddressV6, l.ProcessId))])),
        ];
    }

    /// <summary>One network.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is none with that name.</exception>
    public static ContainerNetworkState Get(string name)
    {
        ImmutableArray<ContainerNetworkState> all = List();
        return all.FirstOrDefault(n => n.Network.Name == name) ?? throw Missing(name, all);
    }

    /// <summary>Removes a network.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is none with that name. <c>EBUSY</c>: it has containers.</exception>
    public static void Remove(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        ContainerNetworkState found = Get(name);
        NetworkState.Do(() => RemoveCore(found));
    }

    private static bool RemoveCore(ContainerNetworkState found)
    {
        string name = found.Network.Name;
        BridgeNetworkLaunch.Sweep();
        using NetworkState state = NetworkState.Open();
        if (state.ReadLeases(name) is { IsEmpty: false } leases)
            throw new LinuxException("remove", found.Network.Describe(), "unlink(2)", Errno.EBUSY,
                remedy: $"Containers are on it: {string.Join(", ", leases.Select(l => l.Names.FirstOrDefault(l.Id)))}.");
        // One that was only in use is gone with its last container.
        if (File.Exists(PathOf(name)))
            File.Delete(PathOf(name));
        return true;
    }

    internal static BridgeNetwork? FindDefinition(string name)
    {
        string path = PathOf(name);
        return TextFile.ReadIfThere(path) is { } text ? NetworkJson.ReadNetwork(text, path) : null;
    }

    internal static IEnumerable<BridgeNetwork> ReadDefinitions() => !Directory.Exists(NetworkDirectories.Definitions) ? []
        : Directory.EnumerateFiles(NetworkDirectories.Definitions, "*.json").Order(StringComparer.Ordinal)
            .Select(p => NetworkJson.ReadNetwork(File.ReadAllText(p), p));

    private static string PathOf(string name) => Path.Combine(NetworkDirectories.Definitions, name + ".json");

    private static LinuxException Missing(string name, ImmutableArray<ContainerNetworkState> all) => new("find", $"network \"{name}\"",
        "openat(2)", Errno.ENOENT,
        remedy: all.IsEmpty ? "There is no network." : $"There are: {string.Join(", ", all.Select(n => n.Network.Name))}.");
}

/// <summary>Chooses subnets that nobody uses.</summary>
internal static class Subnets
{
    /// <summary>A network with its subnets: free ones where none are given.</summary>
    /// <exception cref="LinuxException"><c>EEXIST</c>: a given one overlaps another network's.
    /// <c>EADDRNOTAVAIL</c>: none is free.</exception>
    internal static BridgeNetwork Complete(BridgeNetwork network, IReadOnlyCollection<BridgeNetwork> others, RouteSocket route)
    {
        foreach (BridgeNetwork other in others.Where(o => o.Name != network.Name))
        {
            if ((network.Subnet is { } own && other.Subnet is { } theirs && Overlap(own, theirs))
                || (network.SubnetV6 is { } own6 && other.SubnetV6 is { } theirs6 && Overlap(own6, theirs6)))
                throw new LinuxException("make", network.Describe(), "RTM_NEWADDR", Errno.EEXIST,
                    remedy: $"Its subnet overlaps that of network \"{other.Name}\".");
        }

        IPNetwork subnet = network.Subnet ?? Choose(network, others, route);
        BridgeNetwork complete = network with { Subnet = subnet, SubnetV6 = !network.IPv6 ? null : network.SubnetV6 ?? V6Of(network.Name) };
        RequireUnused(complete, route);
        return complete;
    }

    /// <summary>Refuses subnets that the host is on already, or has routes into: what it reaches there now would be lost to it.</summary>
    /// <remarks>A wider route, such as that of a VPN, goes on with what is left to it.</remarks>
    /// <exception cref="LinuxException"><c>EEXIST</c>: the host uses one.</exception>
    internal static void RequireUnused(BridgeNetwork network, RouteSocket route)
    {
        int? own = route.FindLink(network.LinkName)?.Index;
        IPNetwork[] subnets = [.. new[] { network.Subnet, network.SubnetV6 }.OfType<IPNetwork>()];
        foreach (Address address in route.ReadAddresses().Where(a => a.LinkIndex != own))
        {
            if (subnets.Any(s => Overlap(s, Route.Network(address.Peer ?? address.Local, address.PrefixLength))
                || s.Contains(address.Local)))
                throw Used(network, $"{address} of link \"{route.GetLink(address.LinkIndex).Name}\"");
        }

        foreach (Route present in route.ReadRoutes().Where(r => r.LinkIndex != own || own is null))
        {
            if (subnets.Any(s => s.PrefixLength <= present.Destination.PrefixLength && Overlap(s, present.Destination)))
                throw Used(network, $"a route to {present.Destination}");
        }
    }

    private static string Shown(BridgeNetwork network) =>
        string.Join(" or ", new[] { network.Subnet, network.SubnetV6 }.OfType<IPNetwork>());

    private static LinuxException Used(BridgeNetwork network, string by) => new("make", network.Describe(), "RTM_NEWADDR", Errno.EEXIST,
        remedy: $"The host uses its subnet already, {Shown(network)}: it has {by}. Give the network another one.");

    internal static bool Overlap(IPNetwork first, IPNetwork second) => first.PrefixLength <= second.PrefixLength
        ? first.Contains(second.BaseAddress)
        : second.Contains(first.BaseAddress);

    private static IPNetwork Choose(BridgeNetwork network, IReadOnlyCollection<BridgeNetwork> others, RouteSocket route)
    {
        IPNetwork[] used =
        [
            .. others.Where(o => o.Name != network.Name).Select(o => o.Subnet).OfType<IPNetwork>(),
            .. route.ReadRoutes().Select(r => r.Destination)
                .Where(d => d.PrefixLength > 0 && d.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetwork)
        ];
        for (int second = 89; second < 128; second++)
        {
            for (int third = 0; third < 256; third++)
            {
                var candidate = new IPNetwork(new IPAddress([10, (byte)second, (byte)third, 0]), 24);
                if (!used.Any(u => Overlap(u, candidate)))
                    return candidate;
            }
        }

        throw new LinuxException("make", network.Describe(), "RTM_NEWADDR", Errno.EADDRNOTAVAIL,
            remedy: "No subnet of 10.89.0.0/16 to 10.127.0.0/16 is free: give one.");
    }

    // A unique local prefix, RFC 4193, the same for the same name.
    private static IPNetwork V6Of(string name)
    {
        var bytes = new byte[16];
        bytes[0] = 0xfd;
        System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes("isolation network " + name)).AsSpan(0, 7)
            .CopyTo(bytes.AsSpan(1));
        return new IPNetwork(new IPAddress(bytes), 64);
    }
}
