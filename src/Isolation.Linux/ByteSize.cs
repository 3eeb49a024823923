using System.Globalization;

namespace Isolation.Linux;

/// <summary>A number of bytes, or <see cref="Max"/>: no limit.</summary>
/// <remarks>Written as the kernel writes it: <c>67108864</c>, <c>max</c>.</remarks>
/// <example><code>
/// ByteSize size = ByteSize.Parse("256m");
/// Console.WriteLine($"{size.Bytes} bytes, {size.ToHumanString()}"); // 268435456 bytes, 256.0 MiB
/// </code></example>
public readonly record struct ByteSize : IComparable<ByteSize>
{
    private const string Units = "kmgtp";

    /// <summary>Initialises a size.</summary>
    /// <param name="bytes">Bytes, 0 or more.</param>
    public ByteSize(long bytes)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(bytes);
        Bytes = bytes;
    }

    private ByteSize(long bytes, bool isMax) => (Bytes, IsMax) = (bytes, isMax);

    /// <summary>No limit.</summary>
    public static ByteSize Max { get; } = new(long.MaxValue, isMax: true);

    /// <summary>The number of bytes; <see cref="long.MaxValue"/> for <see cref="Max"/>.</summary>
    public long Bytes { get; }

    /// <summary>Whether this is <see cref="Max"/>.</summary>
    public bool IsMax { get; }

    /// <summary>A number of kibibytes.</summary>
    public static ByteSize FromKibibytes(long count) => new(checked(count * (1L << 10)));

    /// <summary>A number of mebibytes.</summary>
    public static ByteSize FromMebibytes(long count) => new(checked(count * (1L << 20)));

    /// <summary>A number of gibibytes.</summary>
    public static ByteSize FromGibibytes(long count) => new(checked(count * (1L << 30)));


    /// <summary>Reads a number with an optional unit, as docker does: <c>512</c>, <c>64m</c>, <c>1.5GiB</c>,
    /// <c>max</c>. Units are powers of 1024.</summary>
    /// <exception cref="FormatException">The text is no such size, or too large.</exception>
    public static ByteSize Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (text == "max")
            return Max;
        string number = text.Trim().ToUpperInvariant();
        number = number.EndsWith("IB", StringComparison.Ordinal) ? number[..^2] : number.EndsWith('B') ? number[..^1] : number;
        int power = number.Length == 0 ? -1 : Units.IndexOf(char.ToLowerInvariant(number[^1]), StringComparison.Ordinal);
        if (power >= 0)
            number = number[..^1];
        if (decimal.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value)
            && value < long.MaxValue >> ((power + 1) * 10))
            return new((long)(value * (1L << ((power + 1) * 10))));
        throw new FormatException($"\"{text}\" is not a size such as 512, 64m or 1.5g.");
    }

    /// <inheritdoc/>
    public int CompareTo(ByteSize other) => Bytes.CompareTo(other.Bytes);

    /// <summary>Whether <paramref name="left"/> is smaller.</summary>
    public static bool operator <(ByteSize left, ByteSize right) => left.Bytes < right.Bytes;

    /// <summary>Whether <paramref name="left"/> is larger.</summary>
    public static bool operator >(ByteSize left, ByteSize right) => left.Bytes > right.Bytes;

    /// <summary>Whether <paramref name="left"/> is not larger.</summary>
    public static bool operator <=(ByteSize left, ByteSize right) => left.Bytes <= right.Bytes;

    /// <summary>Whether <paramref name="left"/> is not smaller.</summary>
    public static bool operator >=(ByteSize left, ByteSize right) => left.Bytes >= right.Bytes;

    /// <summary>The kernel's form: the number, or <c>max</c>.</summary>
    public override string ToString() => IsMax ? "max" : Bytes.ToString(CultureInfo.InvariantCulture);

    /// <summary>The form for people: <c>64.0 MiB</c>.</summary>
    public string ToHumanString()
    {
        if (IsMax)
            return "max";
        double value = Bytes;
        int power = 0;
        for (; value >= 1024 && power < Units.Length; power++)
            value /= 1024;
        return power == 0
            ? string.Create(CultureInfo.InvariantCulture, $"{Bytes} B")
            : string.Create(CultureInfo.InvariantCulture, $"{value:F1} {char.ToUpperInvariant(Units[power - 1])}iB");
    }
}
