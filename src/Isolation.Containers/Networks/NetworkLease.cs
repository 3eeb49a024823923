using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>What a container has of a bridge network, for as long as the process that it belongs to is there.</summary>
internal sealed record NetworkLease
{
    internal required string Network { get; init; }

    /// <summary>The number of its address in the network.</summary>
    internal required long Index { get; init; }

    /// <summary>Made up anew for each: the name of its hosts file.</summary>
    internal required string Id { get; init; }

    /// <summary>The process that it belongs to: the one that starts the container, and then the container's first.</summary>
    internal required int ProcessId { get; init; }

    /// <summary>When that process began, so that none with the same number is taken for it.</summary>
    internal required long StartTime { get; init; }

    internal required IPAddress Address { get; init; }

    internal IPAddress? AddressV6 { get; init; }

    /// <summary>The host's end of the pair.</summary>
    internal required string HostLink { get; init; }

    /// <summary>The container's own name; null where it has none.</summary>
    internal string? Name { get; init; }

    /// <summary>All names by which others find it.</summary>
    internal ImmutableArray<string> Names { get; init; } = [];

    internal ImmutableArray<PublishedPort> Ports { get; init; } = [];

    /// <summary>The lines of its hosts file that do not depend on other containers.</summary>
    internal string HostsHead { get; init; } = "";

    /// <summary>Whether its hosts file is the one of all containers that need no lines but those of the network.</summary>
    internal bool SharesHosts { get; init; }

    /// <summary>Its lines in the hosts files of the others.</summary>
    internal string HostsLines => Names.IsEmpty ? ""
        : string.Concat(new[] { Address, AddressV6 }.OfType<IPAddress>().Select(a => $"{a} {string.Join(' ', Names)}\n"));

    /// <summary>What it is found by, as names of files: its name, which is alike in either case, its IPv6 address and each port, which no
    /// other may have; and its further names.</summary>
    internal IEnumerable<string> Claims =>
        (Name is null ? [] : new[] { NameClaim(Name) }).Concat(AddressV6 is null ? [] : [AddressClaim(AddressV6)])
            .Concat(Ports.SelectMany(p => Enumerable.Range(0, p.Count).Select(i => PortClaim(p, i))))
            .Concat(Names.Where(n => n != Name).Distinct().Select(AliasClaim));

    internal static string NameClaim(string name) => "name-" + name.ToLowerInvariant();

    // A name of a host may be longer than one of a file.
    internal static string AliasClaim(string name) => "alias-" + Convert.ToHexStringLower(
        System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(name.ToLowerInvariant())))[..32];

    internal static string AddressClaim(IPAddress address) => $"address-{address}";

    internal static string PortClaim(PublishedPort port, int offset) =>
        string.Create(CultureInfo.InvariantCulture, $"{port.ProtocolName}-{port.HostPort + offset}");

    internal bool IsAlive => StartTimeOf(ProcessId) == StartTime;

    internal NetworkLease OwnedBy(int processId) => this with { ProcessId = processId, StartTime = StartTimeOf(processId) ?? 0 };

    /// <summary>When a process began, in ticks since the start of the machine; null where there is none, or it has ended.</summary>
    internal static long? StartTimeOf(int processId)
    {
        if (TextFile.ReadIfAllowed(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat")) is not { } stat)
            return null;
        // The name, in parentheses, may have spaces and parentheses itself.
        string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
        return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
    }
}
