using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Text;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>What a container's /etc/hosts and /etc/resolv.conf say.</summary>
internal static class NetworkFiles
{
    /// <summary>What every hosts file begins with.</summary>
    internal const string CommonHosts = "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n";

    // hosts(5): for a name of this host that belongs to no address of its links.
    private static readonly IPAddress s_ownName = new([127, 0, 1, 1]);

    /// <summary>The lines of a hosts file that do not depend on other containers. The container's own name is always one of them: programs
    /// look it up.</summary>
    internal static string Hosts(ContainerSpec spec, IPAddress? address, IPAddress? addressV6,
        IReadOnlyDictionary<string, ImmutableArray<IPAddress>> pinned)
    {
        var text = new StringBuilder(CommonHosts);
        string[] names = [.. Names(spec), .. spec.HostName is { } host ? [host] : Array.Empty<string>()];
        foreach (IPAddress own in new[] { address ?? (addressV6 is null ? s_ownName : null), addressV6 }.OfType<IPAddress>())
        {
            if (names.Length > 0)
                text.Append(CultureInfo.InvariantCulture, $"{own} {string.Join(' ', names.Distinct())}\n");
        }

        AppendEntries(text, spec.Network);
        AppendPinned(text, pinned);
        return text.ToString();
    }

    private static void AppendPinned(StringBuilder text, IReadOnlyDictionary<string, ImmutableArray<IPAddress>> pinned)
    {
        foreach ((string name, ImmutableArray<IPAddress> addresses) in pinned)
        {
            foreach (IPAddress found in addresses)
                text.Append(CultureInfo.InvariantCulture, $"{found} {name}\n");
        }
    }

    /// <summary>The hosts file of a container on the network of the host, or of another container: that one's, with what is
    /// added.</summary>
    internal static string HostsWith(string hosts, NetworkSettings settings)
    {
        var text = new StringBuilder(hosts);
        if (hosts.Length > 0 && !hosts.EndsWith('\n'))
            text.Append('\n');
        AppendEntries(text, settings);
        return text.ToString();
    }

    /// <summary>The host's own hosts file; empty where there is none.</summary>
    internal static string ReadHosts() => TextFile.ReadIfAllowed("/etc/hosts") ?? "";

    /// <summary>The names by which others of the network find a container.</summary>
    internal static IEnumerable<string> Names(ContainerSpec spec) =>
        (spec.Name is { } name ? [name] : Array.Empty<string>()).Concat(spec.Network.Aliases);

    private static void AppendEntries(StringBuilder text, NetworkSettings settings)
    {
        foreach (HostEntry entry in settings.Hosts)
            text.Append(CultureInfo.InvariantCulture, $"{entry.Address} {entry.Name}\n");
    }
}
