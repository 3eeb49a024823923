using System.Text;

namespace Isolation.Cgroups;

/// <summary>The numbers of a file with a name and <c>KEY=VALUE</c> words on each line, as <c>io.stat</c> has by device and
/// <c>memory.numa_stat</c> by kind. Filled anew by each reading.</summary>
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

    /// <summary>Reads <c>NAME KEY=VALUE ...</c> lines. What is no number is left out.</summary>
    internal void Parse(ReadOnlySpan<byte> text)
    {
        Count = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            KeyedValues? row = null;
            for (int at = 0; at < line.Length;)
            {
                if (row?.TryNext(line, ref at, (byte)'=', (byte)' ') == true)
                    continue;
                int end = line[at..].IndexOf((byte)' ');
                ReadOnlySpan<byte> word = end < 0 ? line[at..] : line.Slice(at, end);
                at += word.Length + 1;
                int equals = word.IndexOf((byte)'=');
                // A device without numbers stands there with its name alone; Linux 5.15 and 5.16 write the next one's behind it.
                if (equals < 0 && !word.IsEmpty)
                    row = Row(word);
                else if (equals > 0 && KeyedValues.TryParseValue(word[(equals + 1)..], out long value))
                    row?.Put(word[..equals], value);
            }
        }

        End();
    }

    /// <summary>Reads version 1's <c>NAME KEY VALUE</c> lines, several for a name; a line with two words is a total.</summary>
    internal void ParseTriples(ReadOnlySpan<byte> text)
    {
        Count = 0;
        KeyedValues? row = null;
        ReadOnlySpan<byte> last = default;
        for (int at = 0; at < text.Length;)
        {
            int end = text[at..].IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text[at..] : text.Slice(at, end);
            at += line.Length + 1;
            int first = line.IndexOf((byte)' '), second = line.LastIndexOf((byte)' ');
            if (first == second)
                continue;
            if (row is null || !line[..first].SequenceEqual(last))
            {
                last = line[..first];
                row = Row(last);
            }

            int key = first + 1;
            if (!row.TryNext(line, ref key, (byte)' ', (byte)'\n') && KeyedValues.TryParseValue(line[(second + 1)..], out long value))
                row.Put(line[(first + 1)..second], value);
        }

        End();
    }

    private void End()
    {
        for (int i = 0; i < Count; i++)
            _rows[i].Values.End();
    }

    /// <summary>The row of a name: one that this reading has met already, or the next.</summary>
    private KeyedValues Row(ReadOnlySpan<byte> name)
    {
        for (int i = 0; i < Count; i++)
        {
            if (name.SequenceEqual(_rows[i].Encoded))
                return _rows[i].Values;
        }

        int at = Count++;
        if (at == _rows.Count)
            _rows.Add((Encoding.UTF8.GetString(name), name.ToArray(), new KeyedValues()));
        else if (!name.SequenceEqual(_rows[at].Encoded))
            _rows[at] = (Encoding.UTF8.GetString(name), name.ToArray(), _rows[at].Values);
        _rows[at].Values.Begin();
        return _rows[at].Values;
    }
}
