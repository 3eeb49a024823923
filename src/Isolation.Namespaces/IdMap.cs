using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Namespaces;

/// <summary>The uid_map or gid_map of a user namespace: validated ranges. See user_namespaces(7).</summary>
/// <example><code>
/// IdMap map = IdMap.Parse("0:100000:65536");
/// builder = builder.WithUserNamespace(map, map);
/// </code></example>
public sealed record IdMap
{
    /// <summary>The most ranges that the kernel takes.</summary>
    public const int MaxRanges = 340;

    /// <summary>The most bytes of a map's text: the kernel takes it in one write that is shorter than a page. See
    /// user_namespaces(7).</summary>
    public const int MaxBytes = 4095;

    /// <summary>Makes a map of ranges.</summary>
    /// <exception cref="ArgumentException">No range, more than 340 or than a write has room for, an empty one, ids beyond 2^32-2, or an
    /// overlap.</exception>
    public IdMap(params IEnumerable<IdMapRange> ranges)
    {
        Ranges = [.. ranges];
        if (Ranges.IsEmpty || Ranges.Length > MaxRanges)
            throw new ArgumentException($"An id map has 1 to {MaxRanges} ranges, not {Ranges.Length}.", nameof(ranges));
        foreach (IdMapRange range in Ranges)
        {
            if (range.Count == 0 || (ulong)range.Inside + range.Count > uint.MaxValue || (ulong)range.Outside + range.Count > uint.MaxValue)
                throw new ArgumentException($"Id map range \"{range}\" is empty or goes beyond the largest id, 4294967294.",
                    nameof(ranges));
        }

        if (!Fits(Ranges))
            throw new ArgumentException($"An id map of {Ranges.Length} ranges is longer than the {MaxBytes} bytes that the kernel takes.",
                nameof(ranges));
        RefuseOverlap(r => r.Inside, "inside", nameof(ranges));
        RefuseOverlap(r => r.Outside, "outside", nameof(ranges));
    }

    /// <summary>The ranges, in the given order.</summary>
    public ImmutableArray<IdMapRange> Ranges { get; }

    /// <summary>Maps one id; an unprivileged process may map its own without helpers.</summary>
    public static IdMap Single(uint inside, uint outside) => new(new IdMapRange(inside, outside, 1));

    /// <summary>The id outside that an id inside stands for; null where it is not mapped.</summary>
    public uint? ToOutside(uint inside)
    {
        foreach (IdMapRange range in Ranges)
        {
            if (inside >= range.Inside && inside - range.Inside < range.Count)
                return range.Outside + (inside - range.Inside);
        }

        return null;
    }

    /// <summary>The id inside that stands for an id outside; null where none does.</summary>
    public uint? ToInside(uint outside)
    {
        foreach (IdMapRange range in Ranges)
        {
            if (outside >= range.Outside && outside - range.Outside < range.Count)
                return range.Inside + (outside - range.Outside);
        }

        return null;
    }

    /// <summary>Reads <c>0:100000:65536</c>, several separated by commas or new lines;
    /// blanks may stand for colons, as in uid_map.</summary>
    /// <exception cref="FormatException">The text is not a map.</exception>
    public static IdMap Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var ranges = new List<IdMapRange>();
        foreach (string part in text.Split([',', '\n'], StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries))
        {
            string[] numbers = part.Split([':', ' ', '\t'], StringSplitOptions.RemoveEmptyEntries);
            if (numbers.Length != 3 || !TryId(numbers[0], out uint inside) || !TryId(numbers[1], out uint outside)
                || !TryId(numbers[2], out uint count))
                throw new FormatException($"\"{part}\" is not an id map range such as 0:100000:65536.");
            ranges.Add(new(inside, outside, count));
        }

        try
        {
            return new IdMap(ranges);
        }
        catch (ArgumentException e)
        {
            throw new FormatException($"\"{text}\" is not an id map: {e.Message}", e);
        }
    }

    /// <summary>The kernel's form, a range a line.</summary>
    public override string ToString() => string.Join('\n', Ranges);

    /// <summary>Whether the kernel takes that many ranges, and their text.</summary>
    internal static bool Fits(IReadOnlyCollection<IdMapRange> ranges) => ranges.Count <= MaxRanges
        && string.Join('\n', ranges).Length <= MaxBytes;

    /// <inheritdoc/>
    public bool Equals(IdMap? other) => other is not null && Ranges.AsSpan().SequenceEqual(other.Ranges.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => Ranges.Aggregate(0, HashCode.Combine);

    private static bool TryId(string text, out uint id) => uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id);

    private void RefuseOverlap(Func<IdMapRange, uint> start, string side, string parameter)
    {
        IdMapRange[] sorted = [.. Ranges.OrderBy(start)];
        for (int i = 1; i < sorted.Length; i++)
        {
            if (start(sorted[i]) - start(sorted[i - 1]) < sorted[i - 1].Count)
                throw new ArgumentException($"Id map ranges \"{sorted[i - 1]}\" and \"{sorted[i]}\" overlap {side}.", parameter);
        }
    }
}
