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

    /// <summary>Forgets what comes after so many keys.</summary>
    internal void Truncate(int count) => Count = count;

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
        Count = Math.Max(Count, at + 1);
    }

    /// <summary>Reads <c>KEY VALUE</c> lines.</summary>
    /// <exception cref="FormatException">A line is not of that form.</exception>
    internal void Parse(ReadOnlySpan<byte> text)
    {
        int count = 0;
        for (int at = 0; at < text.Length;)
        {
            if (TryNext(text, ref at, count, (byte)' ', (byte)'\n'))
            {
                count++;
                continue;
            }

            int end = text[at..].IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text[at..] : text.Slice(at, end);
            at += line.Length + 1;
            if (line.IsEmpty)
                continue;
            int blank = line.LastIndexOf((byte)' ');
            if (blank <= 0)
                throw Bad(line);
            Set(count++, line[..blank], ParseValue(line[(blank + 1)..]));
        }

        Count = count;
    }

    /// <summary>Takes the next key and number where the key is the one that was there the last time: the usual case, without a search.</summary>
    /// <param name="text">The text.</param>
    /// <param name="at">Where the key begins; behind the end byte afterwards.</param>
    /// <param name="place">Which of the keys it should be.</param>
    /// <param name="separator">The byte between key and number.</param>
    /// <param name="end">The byte behind the number; the end of the text does as well.</param>
    internal bool TryNext(ReadOnlySpan<byte> text, ref int at, int place, byte separator, byte end)
    {
        if (place >= Count)
            return false;
        byte[] key = _encoded[place];
        ReadOnlySpan<byte> rest = text[at..];
        if (rest.Length <= key.Length + 1 || rest[key.Length] != separator || !rest.StartsWith(key))
            return false;
        int i = key.Length + 1, first = i;
        long value = 0;
        for (; i < rest.Length && (uint)(rest[i] - '0') <= 9; i++)
            value = (value * 10) + (rest[i] - '0');
        // Longer numbers might not fit; other characters are for the full parser.
        if (i == first || i - first > 18 || (i < rest.Length && rest[i] != end))
            return false;
        _values[place] = value;
        at += i + 1;
        return true;
    }

    /// <summary>Reads <c>KEY=VALUE</c> words.</summary>
    internal void ParseWords(ReadOnlySpan<byte> text)
    {
        int count = 0;
        for (int at = 0; at < text.Length;)
        {
            if (TryNext(text, ref at, count, (byte)'=', (byte)' '))
            {
                count++;
                continue;
            }

            int end = text[at..].IndexOf((byte)' ');
            ReadOnlySpan<byte> word = end < 0 ? text[at..] : text.Slice(at, end);
            at += word.Length + 1;
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
        long digits = 0;
        int i = 0;
        for (; i < text.Length && i < 18 && (uint)(text[i] - '0') <= 9; i++)
            digits = (digits * 10) + (text[i] - '0');
        if (i > 0 && i == text.Length)
            return digits;
        if (text.SequenceEqual("max"u8))
            return long.MaxValue;
        if (Utf8Parser.TryParse(text, out long value, out int used) && used == text.Length)
            return value;
        // Version 1 writes its "no limit" and some sums as unsigned numbers.
        return Utf8Parser.TryParse(text, out ulong large, out used) && used == text.Length ? (long)Math.Min(large, long.MaxValue) : throw Bad(text);
    }

    internal static FormatException Bad(ReadOnlySpan<byte> text) => new($"\"{Encoding.UTF8.GetString(text[..Math.Min(text.Length, 100)])}\" is not what a control group's file has there.");
}
