using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Namespaces;

/// <summary>The ids that /etc/subuid and /etc/subgid grant to a user, for newuidmap and newgidmap. See subuid(5).</summary>
public static class SubIdFile
{
    /// <summary>One grant.</summary>
    /// <param name="Start">The first id.</param>
    /// <param name="Count">How many.</param>
    public readonly record struct Grant(uint Start, uint Count);

    /// <summary>Reads the grants of a user, named or by number, from a file's text. Lines that are not grants are passed over, as newuidmap does.</summary>
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

    /// <summary>Reads the grants from a file; none where the file does not exist or cannot be read.</summary>
    public static ImmutableArray<Grant> Read(string path, string? userName, uint userId)
    {
        try
        {
            return Parse(File.ReadAllText(path), userName, userId);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    /// <summary>The map that gives a user id 0 inside, and its grants from 1 on. Null without a grant.</summary>
    public static IdMap? ToMap(uint ownId, ImmutableArray<Grant> grants)
    {
        if (grants.IsEmpty)
            return null;
        var ranges = new List<IdMapRange> { new(0, ownId, 1) };
        uint next = 1;
        foreach (Grant grant in grants.Take(IdMap.MaxRanges - 1))
        {
            ranges.Add(new(next, grant.Start, grant.Count));
            next += grant.Count;
        }

        return new IdMap(ranges);
    }
}
