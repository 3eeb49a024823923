using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Isolation.Cgroups;

/// <summary>The numbers of a file with a <c>KEY VALUE</c> on each line, unknown keys included. Filled anew by each reading; nothing is allocated while
/// the kernel writes the same keys.</summary>
/// <remarks><c>max</c> is <see cref="long.MaxValue"/>.</remarks>
public sealed class KeyedValues
{
    private string[] _keys = [];
    private byte[][] _encoded = [];
    private long[] _values = [];

    /// <summary>How many keys there are.</summary>
    public int Count { get; private set; }

    /// <summary>The keys, in the file's order.</summary>
    public IEnumerable<string> Keys => _keys.Take(Count);

    /// <summary>The value of a key; null where the file has it not.</summary>
    [SuppressMessage("Design", "CA1043", Justification = "Keys are text.")]
    public long? this[string key]
    {
        get
        {
            for (int i = 0; i < Count; i++)
            {
                if (_keys[i] == key)
                    return _values[i];
            }

            return null;
        }
    }

    /// <summary>The value of a key; 0 where the file has it not.</summary>
    public long Get(string key) => this[key] ?? 0;

    /// <summary>A copy that later readings do not change.</summary>
    public IReadOnlyDictionary<string, long> ToDictionary() => Keys.Select((key, i) => (key, _values[i])).ToDictionary(p => p.key, p => p.Item2);

    internal void Clear() => Count = 0;

    /// <summary>Sets the value at a place; the key that was there before is mostly the same.</summary>
    internal void Set(int at, ReadOnlySpan<byte> key, long value)
    {
        if (at == _keys.Length)
        {
            int size = Math.Max(8, at * 2);
            Array.Resize(ref _keys, size);
            Array.Resize(ref _encoded, size);
            Array.Resize(ref _values, size);
        }

        if (_encoded[at] is not { } known || !key.SequenceEqual(known))
        {
            _encoded[at] = key.ToArray();
            _keys[at] = Encoding.UTF8.GetString(key);
        }

        _values[at] = value;
        Count = at + 1;
    }

    /// <summary>Reads <c>KEY VALUE</c> lines.</summary>
    /// <exception cref="FormatException">A line is not of that form.</exception>
    internal void Parse(ReadOnlySpan<byte> text)
    {
        int count = 0;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            if (line.IsEmpty)
                continue;
            int blank = line.LastIndexOf((byte)' ');
            if (blank <= 0)
                throw Bad(line);
            Set(count++, line[..blank], ParseValue(line[(blank + 1)..]));
        }

        Count = count;
    }

    /// <summary>Reads <c>KEY=VALUE</c> words.</summary>
    internal void ParseWords(ReadOnlySpan<byte> text)
    {
        int count = 0;
        foreach (Range range in text.Split((byte)' '))
        {
            ReadOnlySpan<byte> word = text[range];
            if (word.IsEmpty)
                continue;
            int equals = word.IndexOf((byte)'=');
            if (equals <= 0)
                throw Bad(word);
            Set(count++, word[..equals], ParseValue(word[(equals + 1)..]));
        }

        Count = count;
    }

    internal static long ParseValue(ReadOnlySpan<byte> text)
    {
        if (text.SequenceEqual("max"u8))
            return long.MaxValue;
        if (Utf8Parser.TryParse(text, out long value, out int used) && used == text.Length)
            return value;
        // Version 1 writes its "no limit" and some sums as unsigned numbers.
        return Utf8Parser.TryParse(text, out ulong large, out used) && used == text.Length ? (long)Math.Min(large, long.MaxValue) : throw Bad(text);
    }

    internal static FormatException Bad(ReadOnlySpan<byte> text) => new($"\"{Encoding.UTF8.GetString(text[..Math.Min(text.Length, 100)])}\" is not what a control group's file has there.");
}
