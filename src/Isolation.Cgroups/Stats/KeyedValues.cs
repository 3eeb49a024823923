using System.Buffers.Text;
using System.Diagnostics.CodeAnalysis;
using System.Text;

namespace Isolation.Cgroups;

/// <summary>The numbers of a file with a <c>KEY VALUE</c> on each line, unknown keys included. Filled anew by each reading; nothing is
/// allocated while the kernel writes the same keys.</summary>
/// <remarks><c>max</c> is <see cref="long.MaxValue"/>. The fraction of a decimal is dropped, and what is no number is left out.</remarks>
public sealed class KeyedValues
{
    private string[] _keys = [];
    private byte[][] _encoded = [];
    private long[] _values = [];
    private int _place;

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
    public IReadOnlyDictionary<string, long> ToDictionary() =>
        Keys.Select((key, i) => (key, _values[i])).ToDictionary(p => p.key, p => p.Item2);

    /// <summary>Begins to fill it anew.</summary>
    internal void Begin() => _place = 0;

    /// <summary>Forgets the keys of the reading before that did not come again.</summary>
    internal void End() => Count = _place;

    /// <summary>Takes the next key. One that has come already is added to: the kernel writes a device's block more than once where it has
    /// several queues.</summary>
    internal void Put(ReadOnlySpan<byte> key, long value)
    {
        for (int i = 0; i < _place; i++)
        {
            if (key.SequenceEqual(_encoded[i]))
            {
                _values[i] += value;
                return;
            }
        }

        Append(key, value);
    }

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

    /// <summary>Reads <c>KEY VALUE</c> lines. What is no such line, or no number, is left out.</summary>
    internal void Parse(ReadOnlySpan<byte> text)
    {
        Begin();
        for (int at = 0; at < text.Length;)
        {
            if (TryNext(text, ref at, (byte)' ', (byte)'\n'))
                continue;
            int end = text[at..].IndexOf((byte)'\n');
            ReadOnlySpan<byte> line = end < 0 ? text[at..] : text.Slice(at, end);
            at += line.Length + 1;
            int blank = line.LastIndexOf((byte)' ');
            if (blank > 0 && TryParseValue(line[(blank + 1)..], out long value))
                Append(line[..blank], value);
        }

        End();
    }

    /// <summary>Takes the next key and number where the key is the one that was there the last time:
    /// the usual case, without a search.</summary>
    /// <param name="text">The text.</param>
    /// <param name="at">Where the key begins; behind the end byte afterwards.</param>
    /// <param name="separator">The byte between key and number.</param>
    /// <param name="end">The byte behind the number; the end of the text does as well.</param>
    internal bool TryNext(ReadOnlySpan<byte> text, ref int at, byte separator, byte end)
    {
        if (_place >= Count)
            return false;
        byte[] key = _encoded[_place];
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
        _values[_place++] = value;
        at += i + 1;
        return true;
    }

    private void Append(ReadOnlySpan<byte> key, long value)
    {
        bool isAsBefore = _place < Count && key.SequenceEqual(_encoded[_place]);
        Set(_place++, key, value);
        if (!isAsBefore)
            Count = _place; // what came behind the last time may have moved
    }

    /// <summary>Reads a file that has one number.</summary>
    /// <exception cref="FormatException">It has none.</exception>
    internal static long ParseValue(ReadOnlySpan<byte> text) => TryParseValue(text, out long value) ? value : throw Bad(text);

    /// <summary>Reads a number or <c>max</c>. Of a decimal, as <c>cost.vrate</c> of <c>io.stat</c> is, the fraction is dropped.</summary>
    internal static bool TryParseValue(ReadOnlySpan<byte> text, out long value)
    {
        value = 0;
        int i = 0;
        for (; i < text.Length && i < 18 && (uint)(text[i] - '0') <= 9; i++)
            value = (value * 10) + (text[i] - '0');
        if (i > 0 && i == text.Length)
            return true;
        if (text.SequenceEqual("max"u8))
        {
            value = long.MaxValue;
            return true;
        }

        int point = text.IndexOf((byte)'.');
        if (point > 0 && point < text.Length - 1 && !text[(point + 1)..].ContainsAnyExceptInRange((byte)'0', (byte)'9'))
            text = text[..point];
        if (Utf8Parser.TryParse(text, out value, out int used) && used == text.Length)
            return true;
        // Version 1 writes its "no limit" and some sums as unsigned numbers.
        bool isLarge = Utf8Parser.TryParse(text, out ulong large, out used) && used == text.Length;
        value = isLarge ? (long)Math.Min(large, long.MaxValue) : 0;
        return isLarge;
    }

    internal static FormatException Bad(ReadOnlySpan<byte> text) =>
        new($"\"{Encoding.UTF8.GetString(text[..Math.Min(text.Length, 100)])}\" is not what a control group's file has there.");
}
