using System.Text;

namespace Isolation.Cgroups;

/// <summary>The numbers of a file with a name and <c>KEY=VALUE</c> words on each line, as <c>io.stat</c> has by device and <c>memory.numa_stat</c>
/// by kind. Filled anew by each reading.</summary>
public sealed class NestedValues
{
    private readonly List<(string Name, byte[] Encoded, KeyedValues Values)> _rows = [];

    /// <summary>How many lines there are.</summary>
    public int Count { get; private set; }

    /// <summary>The names, in the file's order.</summary>
    public IEnumerable<string> Names => _rows.Take(Count).Select(r => r.Name);

    /// <summary>The values of a name; null where the file has it not.</summary>
    public KeyedValues? this[string name]
    {
        get
        {
            for (int i = 0; i < Count; i++)
            {
                if (_rows[i].Name == name)
                    return _rows[i].Values;
            }

            return null;
        }
    }

    /// <summary>The sum of a key over all names.</summary>
    public long Sum(string key)
    {
        long sum = 0;
        for (int i = 0; i < Count; i++)
            sum += _rows[i].Values.Get(key);
        return sum;
    }

    /// <summary>Reads <c>NAME KEY=VALUE ...</c> lines.</summary>
    /// <exception cref="FormatException">A line is not of that form.</exception>
    internal void Parse(ReadOnlySpan<byte> text)
    {
        int count = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            int blank = line.IndexOf((byte)' ');
            // A device without any numbers yet stands there with its name alone.
            if (blank == 0 || line.IsEmpty)
                continue;
            Row(count++, blank < 0 ? line : line[..blank]).ParseWords(blank < 0 ? [] : line[(blank + 1)..]);
        }

        Count = count;
    }

    /// <summary>Reads version 1's <c>NAME KEY VALUE</c> lines, several for a name; a line with two words is a total.</summary>
    internal void ParseTriples(ReadOnlySpan<byte> text)
    {
        int count = 0, place = 0;
        ReadOnlySpan<byte> last = default;
        for (int at = 0; at < text.Length;)
        {
            // The usual case: the next key of the same name, as the last time.
            if (count > 0)
            {
                int key = at + last.Length + 1;
                if (key < text.Length && text[key - 1] == ' ' && text[at..].StartsWith(last) && _rows[count - 1].Values.TryNext(text, ref key, place, (byte)' ', (byte)'\n'))
                {
                    place++;
                    at = key;
                    continue;
                }
            }

            int end = text[at..].IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text[at..] : text.Slice(at, end);
            at += line.Length + 1;
            int first = line.IndexOf((byte)' '), second = line.LastIndexOf((byte)' ');
            if (line.IsEmpty || first == second)
                continue;
            if (count == 0 || !line[..first].SequenceEqual(last))
            {
                if (count > 0)
                    _rows[count - 1].Values.Truncate(place);
                last = line[..first];
                Row(count++, last);
                place = 0;
                at -= line.Length + 1; // its first key is read as the others are
                if (_rows[count - 1].Values.Count > 0)
                    continue;
                at += line.Length + 1;
            }

            _rows[count - 1].Values.Set(place++, line[(first + 1)..second], KeyedValues.ParseValue(line[(second + 1)..]));
        }

        if (count > 0)
            _rows[count - 1].Values.Truncate(place);
        Count = count;
    }

    private KeyedValues Row(int at, ReadOnlySpan<byte> name)
    {
        if (at == _rows.Count)
            _rows.Add((Encoding.UTF8.GetString(name), name.ToArray(), new KeyedValues()));
        else if (!name.SequenceEqual(_rows[at].Encoded))
            _rows[at] = (Encoding.UTF8.GetString(name), name.ToArray(), _rows[at].Values);
        return _rows[at].Values;
    }
}
