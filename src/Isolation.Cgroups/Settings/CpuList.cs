using System.Globalization;

namespace Isolation.Cgroups;

/// <summary>Reads and writes the kernel's lists of processors and memory nodes: <c>0-3,8</c>.</summary>
public static class CpuList
{
    private const int Most = 8192; // NR_CPUS of the largest kernels

    /// <summary>Writes numbers as the kernel's list, in ascending order, with ranges.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A number is negative.</exception>
    public static string Write(IEnumerable<int> numbers)
    {
        ArgumentNullException.ThrowIfNull(numbers);
        int[] sorted = [.. numbers.Distinct().Order()];
        var parts = new List<string>();
        for (int i = 0; i < sorted.Length; i++)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(sorted[i]);
            int first = sorted[i];
            while (i + 1 < sorted.Length && sorted[i + 1] == sorted[i] + 1)
                i++;
            string text = first.ToString(CultureInfo.InvariantCulture);
            parts.Add(first == sorted[i] ? text : text + "-" + sorted[i].ToString(CultureInfo.InvariantCulture));
        }

        return string.Join(',', parts);
    }

    /// <summary>Reads a list; an empty one has no numbers. See cpuset(7), "List format".</summary>
    /// <returns>The numbers in ascending order, each once.</returns>
    /// <exception cref="FormatException">The text is not a list such as 0-3,8, or a number is above 8191.</exception>
    public static int[] Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var numbers = new SortedSet<int>();
        foreach (string part in text.Trim().Split(',', StringSplitOptions.RemoveEmptyEntries))
        {
            string[] ends = part.Split('-');
            if (ends.Length > 2 || !TryNumber(ends[0], out int first) || !TryNumber(ends[^1], out int last) || last < first)
                throw new FormatException($"\"{text}\" is not a list such as 0-3,8.");
            numbers.UnionWith(Enumerable.Range(first, last - first + 1));
        }

        return [.. numbers];
    }

    private static bool TryNumber(string text, out int number) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out number) && number < Most;
}
