using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;

namespace Isolation.Containers;

/// <summary>What a container's /etc/hosts and /etc/resolv.conf say.</summary>
internal static class NetworkFiles
{
    /// <summary>The lines of a hosts file that do not depend on other containers.</summary>
    internal static string Hosts(ContainerSpec spec, IPAddress? address, IPAddress? addressV6, IReadOnlyDictionary<string, ImmutableArray<IPAddress>> pinned)
    {
        var text = new StringBuilder("127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n");
        string[] names = [.. Names(spec), .. spec.HostName is { } host ? [host] : Array.Empty<string>()];
        foreach (IPAddress own in new[] { address, addressV6 }.OfType<IPAddress>())
        {
            if (names.Length > 0)
                text.Append(CultureInfo.InvariantCulture, $"{own} {string.Join(' ', names.Distinct())}\n");
        }

        foreach (HostEntry entry in spec.Network.Hosts)
            text.Append(CultureInfo.InvariantCulture, $"{entry.Address} {entry.Name}\n");
        foreach ((string name, ImmutableArray<IPAddress> addresses) in pinned)
        {
            foreach (IPAddress found in addresses)
                text.Append(CultureInfo.InvariantCulture, $"{found} {name}\n");
        }

        return text.ToString();
    }

    /// <summary>The names by which others of the network find a container.</summary>
    internal static IEnumerable<string> Names(ContainerSpec spec) => (spec.Name is { } name ? [name] : Array.Empty<string>()).Concat(spec.Network.Aliases);

    internal static string ResolvConf(NetworkSettings settings, ImmutableArray<IPAddress> hostServers)
    {
        var text = new StringBuilder();
        if (!settings.SearchDomains.IsEmpty)
            text.Append(CultureInfo.InvariantCulture, $"search {string.Join(' ', settings.SearchDomains)}\n");
        // The host's loopback is another one inside.
        foreach (IPAddress server in settings.NameServers.IsEmpty ? hostServers.Where(s => !IPAddress.IsLoopback(s)) : settings.NameServers)
            text.Append(CultureInfo.InvariantCulture, $"nameserver {server}\n");
        return text.ToString();
    }

    /// <summary>The host's name servers; where that is only a resolver on its own loopback, those that it asks.</summary>
    internal static ImmutableArray<IPAddress> ReadHostNameServers()
    {
        ImmutableArray<IPAddress> servers = ReadNameServers("/etc/resolv.conf");
        return servers.All(IPAddress.IsLoopback) && ReadNameServers("/run/systemd/resolve/resolv.conf") is { IsEmpty: false } behind ? behind : servers;
    }

    private static ImmutableArray<IPAddress> ReadNameServers(string path)
    {
        try
        {
            return [.. File.ReadLines(path).Select(l => l.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)).Where(w => w is ["nameserver", _, ..]).Select(w => IPAddress.TryParse(w[1], out IPAddress? a) ? a : null).OfType<IPAddress>()];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }
}
