using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>The ids that /etc/subuid and /etc/subgid grant to a user, for newuidmap and newgidmap. See subuid(5).</summary>
public static class SubIdFile
{
    /// <summary>One grant.</summary>
    /// <param name="Start">The first id.</param>
    /// <param name="Count">How many.</param>
    public readonly record struct Grant(uint Start, uint Count);

    /// <summary>Reads the grants of a user, named or by number, from a file's text.
    /// Lines that are not grants are passed over, as newuidmap does.</summary>
    public static ImmutableArray<Grant> Parse(string text, string? userName, uint userId)
    {
        ArgumentNullException.ThrowIfNull(text);
        string number = userId.ToString(CultureInfo.InvariantCulture);
        var grants = ImmutableArray.CreateBuilder<Grant>();
        foreach (string line in text.Split('\n'))
        {
            string[] fields = line.Trim().Split(':');
            if (fields.Length == 3 && (fields[0] == number || fields[0] == userName)
                && uint.TryParse(fields[1], NumberStyles.None, CultureInfo.InvariantCulture, out uint start)
                && uint.TryParse(fields[2], NumberStyles.None, CultureInfo.InvariantCulture, out uint count)
                && count > 0 && (ulong)start + count <= uint.MaxValue)
            {
                grants.Add(new(start, count));
            }
        }

        return grants.ToImmutable();
    }

    /// <summary>Reads the grants from a file; none where the file does not exist or may not be read.</summary>
    /// <exception cref="Linux.LinuxException">It is there, and cannot be read for another reason than permissions.</exception>
    public static ImmutableArray<Grant> Read(string path, string? userName, uint userId) =>
        TextFile.ReadIfAllowed(path) is { } text ? Parse(text, userName, userId) : [];

    /// <summary>The map that gives a user id 0 inside, and its grants from 1 on, as far as a map has room. Null without a grant.</summary>
    /// <remarks>A user may be granted an id more than once, as by a line with its name and one with its number, or its own: each is mapped
    /// once.</remarks>
    public static IdMap? ToMap(uint ownId, ImmutableArray<Grant> grants)
    {
        if (grants.IsEmpty)
            return null;
        var ranges = new List<IdMapRange> { new(0, ownId, 1) };
        foreach (Grant grant in grants)
        {
            foreach ((uint start, uint count) in Remaining(grant, ranges))
            {
                uint next = ranges[^1].Inside + ranges[^1].Count;
                var range = new IdMapRange(next, start, count);
                if (!IdMap.Fits([.. ranges, range]))
                    return new IdMap(ranges);
                ranges.Add(range);
            }
        }

        return new IdMap(ranges);
    }

    /// <summary>The parts of a grant that no range has yet, in order.</summary>
    private static IEnumerable<(uint Start, uint Count)> Remaining(Grant grant, IReadOnlyCollection<IdMapRange> ranges)
    {
        ulong start = grant.Start, end = start + grant.Count;
        foreach (IdMapRange taken in ranges.OrderBy(r => r.Outside).ToArray())
        {
            if (taken.Outside + (ulong)taken.Count <= start || taken.Outside >= end)
                continue;
            if (taken.Outside > start)
                yield return ((uint)start, (uint)(taken.Outside - start));
            start = taken.Outside + (ulong)taken.Count;
        }

        if (start < end)
            yield return ((uint)start, (uint)(end - start));
    }
}
