using System.Collections.Immutable;
using System.Net;
using System.Text;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>What a resolv.conf says: resolv.conf(5).</summary>
/// <param name="NameServers">The servers, as they stand there: one of IPv6 may name a link behind <c>%</c>.</param>
/// <param name="SearchDomains">The domains that short names are searched in.</param>
/// <param name="Options">The options.</param>
internal sealed record ResolverFile(ImmutableArray<string> NameServers, ImmutableArray<string> SearchDomains,
    ImmutableArray<string> Options)
{
    internal const string Path = "/etc/resolv.conf";

    // systemd-resolved(8): the servers that it asks itself. What it writes to /etc/resolv.conf is its own address on the loopback.
    private const string BehindStub = "/run/systemd/resolve/resolv.conf";

    internal static ResolverFile Empty { get; } = new([], [], []);

    /// <summary>The servers that can be reached from another network namespace: not those on this one's loopback, which <c>0.0.0.0</c> and
    /// <c>::</c> mean too,
    /// nor those of a link of this one.</summary>
    internal ImmutableArray<IPAddress> Reachable => [.. NameServers.Where(s => !s.Contains('%', StringComparison.Ordinal))
        .Select(s => IPAddress.TryParse(s, out IPAddress? address) ? address : null).OfType<IPAddress>().Where(IsReachable)];

    /// <summary>Whether an address means the same in another network namespace.</summary>
    internal static bool IsReachable(IPAddress address) =>
        !IPAddress.IsLoopback(address) && !address.Equals(IPAddress.Any) && !address.Equals(IPAddress.IPv6Any) && !address.IsIPv6LinkLocal;

    /// <summary>Reads the host's own file.</summary>
    internal static ResolverFile ReadHost() => Read(Path);

    /// <summary>Reads the host's own file; where that names only a resolver on the host's loopback, the file of those behind it.</summary>
    internal static ResolverFile ReadForContainers()
    {
        ResolverFile own = ReadHost();
        return own.Reachable.IsEmpty && Read(BehindStub) is { Reachable.IsEmpty: false } behind ? behind : own;
    }

    /// <summary>Reads lines. Of several lists of domains the last counts; options add up.</summary>
    internal static ResolverFile Parse(IEnumerable<string> lines)
    {
        ResolverFile file = Empty;
        foreach (string line in lines)
        {
            string[] words = line.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);
            file = words switch
            {
                ["nameserver", var server, ..] => file with { NameServers = file.NameServers.Add(server) },
                ["search", .. var domains] => file with { SearchDomains = [.. domains] },
                ["domain", var domain, ..] => file with { SearchDomains = [domain] },
                ["options", .. var options] => file with { Options = [.. file.Options, .. options] },
                _ => file,
            };
        }

        return file;
    }

    /// <summary>The file with what is asked for in the place of its own, each kind for itself, as docker does.</summary>
    internal ResolverFile With(NetworkSettings settings) => new(
        settings.NameServers.IsEmpty ? NameServers : [.. settings.NameServers.Select(s => s.ToString())],
        settings.SearchDomains.IsEmpty ? SearchDomains : settings.SearchDomains is ["."] ? [] : settings.SearchDomains,
        settings.ResolverOptions.IsEmpty ? Options : settings.ResolverOptions);

    /// <summary>The text of the file.</summary>
    public override string ToString()
    {
        var text = new StringBuilder();
        if (!SearchDomains.IsEmpty)
            text.Append("search ").AppendJoin(' ', SearchDomains).Append('\n');
        foreach (string server in NameServers)
            text.Append("nameserver ").Append(server).Append('\n');
        if (!Options.IsEmpty)
            text.Append("options ").AppendJoin(' ', Options).Append('\n');
        return text.ToString();
    }

    private static ResolverFile Read(string path) => TextFile.ReadIfAllowed(path) is { } text ? Parse(TextFile.Lines(text)) : Empty;
}
