using System.Collections.Immutable;
using System.Globalization;
using System.Net;

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

    internal ImmutableArray<string> Names { get; init; } = [];

    internal ImmutableArray<PublishedPort> Ports { get; init; } = [];

    /// <summary>The lines of its hosts file that do not depend on other containers.</summary>
    internal string HostsHead { get; init; } = "";

    internal bool IsAlive => StartTimeOf(ProcessId) == StartTime;

    internal NetworkLease OwnedBy(int processId) => this with { ProcessId = processId, StartTime = StartTimeOf(processId) ?? 0 };

    /// <summary>When a process began, in ticks since the start of the machine; null where there is none, or it has ended.</summary>
    internal static long? StartTimeOf(int processId)
    {
        try
        {
            string stat = File.ReadAllText(string.Create(CultureInfo.InvariantCulture, $"/proc/{processId}/stat"));
            // The name, in parentheses, may have spaces and parentheses itself.
            string[] fields = stat[(stat.LastIndexOf(')') + 2)..].Split(' ');
            return fields[0] is "Z" or "X" ? null : long.Parse(fields[19], CultureInfo.InvariantCulture);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}
