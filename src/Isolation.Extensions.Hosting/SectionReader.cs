using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace Isolation.Extensions.Hosting;

/// <summary>Reads one section of the configuration. A value that cannot be read, and a key that nobody has read, are faults; each names its
/// key by its whole path. Without reflection, so that nothing is lost by trimming.</summary>
internal sealed class SectionReader(IConfigurationSection section, List<string> faults)
{
    private readonly HashSet<string> _known = new(StringComparer.OrdinalIgnoreCase);

    internal string Path => section.Path;

    internal string Key => section.Key;

    /// <summary>Reads a value, where there is one.</summary>
    internal void Value(string key, Action<string> set)
    {
        if (Child(key) is not { } child)
            return;
        if (child.Value is { } text)
            Try(child, () => set(text));
        else
            faults.Add($"{child.Path} must be one value, and is a section.");
    }

    internal void Text(string key, Action<string> set) => Value(key, set);

    internal void Switch(string key, Action<bool> set) => Value(key, text => set(bool.TryParse(text, out bool value) ? value
        : throw new FormatException($"\"{text}\" is neither true nor false.")));

    internal void Time(string key, Action<TimeSpan> set) => Value(key,
        text => set(TimeSpan.TryParse(text, CultureInfo.InvariantCulture, out TimeSpan time) ? time
            : throw new FormatException($"\"{text}\" is no time such as 00:00:30.")));

    internal void Number(string key, Action<double> set) => Value(key,
        text => set(double.TryParse(text, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out double number) ? number
            : throw new FormatException($"\"{text}\" is no number such as 0.5.")));

    internal void Count(string key, Action<int> set) => Value(key,
        text => set(int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out int count) ? count
            : throw new FormatException($"\"{text}\" is no whole number.")));

    /// <summary>Reads a list of values; a single one is a list of one.</summary>
    internal void List(string key, Action<string> add)
    {
        if (Child(key) is not { } child)
            return;
        if (child.Value is { Length: > 0 } single)
            Try(child, () => add(single));
        foreach (IConfigurationSection element in child.GetChildren())
        {
            if (element.Value is { } text)
                Try(element, () => add(text));
            else
                faults.Add($"{element.Path} must be one value, and is a section.");
        }
    }

    /// <summary>Reads a section whose keys are names. Their values are not told in faults: they may be secrets.</summary>
    internal void Pairs(string key, Action<string, string> add)
    {
        foreach (IConfigurationSection pair in Child(key)?.GetChildren() ?? [])
        {
            if (pair.Value is { } text)
                add(pair.Key, text);
            else
                faults.Add($"{pair.Path} must be one value, and is a section.");
        }
    }

    /// <summary>Reads the sections below a key, each to its end.</summary>
    internal void Sections(string key, Action<SectionReader> read)
    {
        if (Child(key) is not { } child)
            return;
        foreach (IConfigurationSection element in child.GetChildren())
        {
            var reader = new SectionReader(element, faults);
            Try(element, () => read(reader));
            reader.End();
        }
    }

    /// <summary>Whatever was not read is a fault.</summary>
    internal void End()
    {
        if (section.Value is { Length: > 0 })
            faults.Add($"{section.Path} must be a section, and is a value.");
        foreach (IConfigurationSection child in section.GetChildren().Where(c => !_known.Contains(c.Key)))
        {
            string? meant = _known.Select(k => (Key: k, Distance: Distance(k, child.Key))).Where(k => k.Distance <= 2)
                .OrderBy(k => k.Distance).Select(k => k.Key).FirstOrDefault();
            faults.Add($"{child.Path} is unknown. " + (meant is null
                ? $"Known keys are: {string.Join(", ", _known.Order(StringComparer.Ordinal))}."
                : $"Is {meant} meant?"));
        }
    }

    private IConfigurationSection? Child(string key)
    {
        _known.Add(key);
        IConfigurationSection child = section.GetSection(key);
        return child.Exists() ? child : null;
    }

    private void Try(IConfigurationSection place, Action read)
    {
        try
        {
            read();
        }
        catch (Exception e) when (e is FormatException or ArgumentException or OverflowException)
        {
            faults.Add($"{place.Path}: {e.Message}");
        }
    }

    /// <summary>How many letters must be put in, left out or changed; case does not count.</summary>
    private static int Distance(string one, string other)
    {
        int[] previous = [.. Enumerable.Range(0, other.Length + 1)];
        for (int i = 1; i <= one.Length; i++)
        {
            int[] row = new int[other.Length + 1];
            row[0] = i;
            for (int j = 1; j <= other.Length; j++)
            {
                int changed = previous[j - 1] + (char.ToUpperInvariant(one[i - 1]) == char.ToUpperInvariant(other[j - 1]) ? 0 : 1);
                row[j] = Math.Min(changed, Math.Min(previous[j], row[j - 1]) + 1);
            }

            previous = row;
        }

        return previous[^1];
    }
}
