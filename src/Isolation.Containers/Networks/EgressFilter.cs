using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Net.Nftables;

namespace Isolation.Containers;

/// <summary>Lowers an egress policy to a table of nf_tables in the container's own network namespace.</summary>
internal static class EgressFilter
{
    internal const string TableName = "isolation-egress";

    private const int MaxComment = 127;

    /// <summary>The whole table as one transaction.</summary>
    internal static NftBatch Lower(EgressPolicy policy, IReadOnlyDictionary<string, ImmutableArray<IPAddress>> names)
    {
        var table = new NftTable(NftFamily.Inet, TableName);
        var output = new NftChain(table, "output") { Hook = NftHook.Output, Policy = NftVerdict.Drop };
        // The container's root may not forward either, should it be given the means.
        var forward = new NftChain(table, "forward") { Hook = NftHook.Forward, Policy = NftVerdict.Drop };
        NftBatch batch = new NftBatch().Add(table).Add(output).Add(forward)
            .Add(new NftRule(output).Match(NftField.OutputInterface, "lo").Accept())
            .Add(new NftRule(output).Match(NftField.ConnectionState, "established,related").Accept())
            // IPv6 cannot even find its neighbours without.
            .Add(new NftRule(output)
                .MatchAny(NftField.Icmpv6Type, "nd-router-solicit", "nd-neighbor-solicit", "nd-neighbor-advert").Accept());
        foreach (EgressRule rule in policy.Rules)
        {
            foreach (NftRule lowered in Lower(new NftRule(output), rule, names))
                batch.Add(lowered.Accept().WithComment(Shortened(rule.ToString())));
        }

        return batch.Add(new NftRule(output).Counter().Reject(NftRejection.AdminProhibited));
    }

    // A host's name may have more bytes than a comment of nftables.
    private static string Shortened(string text) => text.Length <= MaxComment ? text : text[..(MaxComment - 3)] + "...";

    /// <summary>Looks up the names of a policy.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: a name has no address.</exception>
    internal static async Task<ImmutableSortedDictionary<string,
        ImmutableArray<IPAddress>>> ResolveAsync(EgressPolicy policy, CancellationToken cancellationToken)
    {
        var names = ImmutableSortedDictionary.CreateBuilder<string, ImmutableArray<IPAddress>>(StringComparer.Ordinal);
        foreach (string name in policy.Rules.Select(r => r.HostName).OfType<string>().Distinct())
        {
            try
            {
                names[name] = [.. (await Dns.GetHostAddressesAsync(name, cancellationToken).ConfigureAwait(false))
                    .Where(a => a.AddressFamily is AddressFamily.InterNetwork or AddressFamily.InterNetworkV6).Distinct()];
            }
            catch (SocketException e)
            {
                throw new LinuxException("look up", $"\"{name}\" for the egress policy", "getaddrinfo(3)", Errno.ENOENT,
                    remedy: $"{e.Message}: without an address nothing could be allowed.");
            }
        }

        return names.ToImmutable();
    }

    private static IEnumerable<NftRule> Lower(NftRule start, EgressRule rule, IReadOnlyDictionary<string, ImmutableArray<IPAddress>> names)
    {
        IEnumerable<NftRule> destinations = rule.HostName is { } name
            ? names[name].GroupBy(a => a.AddressFamily)
                .Select(g => start.MatchAny(g.Key == AddressFamily.InterNetwork ? NftField.IPv4Destination : NftField.IPv6Destination,
                    g.Select(a => (NftValue)a)))
            : rule.Network is { } network ? [start.Match(network.BaseAddress.AddressFamily == AddressFamily.InterNetwork
                ? NftField.IPv4Destination
                : NftField.IPv6Destination, network)]
            : [start];
        return destinations.SelectMany(d => WithPorts(d, rule));
    }

    private static IEnumerable<NftRule> WithPorts(NftRule rule, EgressRule wanted)
    {
        if (wanted.Port is not { } first)
            return [wanted.Protocol is { } only ? rule.Match(NftField.TransportProtocol, (long)only) : rule];
        NftValue ports = wanted.LastPort is { } last ? NftValue.Range(first, last) : (NftValue)first;
        return (wanted.Protocol is { } protocol ? [protocol] : Enum.GetValues<PortProtocol>()).Select(p => rule.Match(p switch
        {
            PortProtocol.Tcp => NftField.TcpDestinationPort,
            PortProtocol.Udp => NftField.UdpDestinationPort,
            _ => NftField.SctpDestinationPort,
        }, ports));
    }
}
