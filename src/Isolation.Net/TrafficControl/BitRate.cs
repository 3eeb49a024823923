using System.Globalization;

namespace Isolation.Net.TrafficControl;

/// <summary>A rate of bits per second, as tc(8) writes it: <c>10mbit</c>. Units of bits are powers of 1000.</summary>
/// <example><code>BitRate rate = BitRate.Parse("10mbit"); // rate.BitsPerSecond is 10,000,000</code></example>
public readonly record struct BitRate : IComparable<BitRate>
{
    private static readonly (string Unit, decimal BitsPerSecond)[] s_units =
    [
        ("kibit", 1024), ("mibit", 1 << 20), ("gibit", 1 << 30), ("kbit", 1e3m), ("mbit", 1e6m), ("gbit", 1e9m),
        ("tbit", 1e12m), ("bit", 1),
        ("kibps", 8 * 1024), ("mibps", 8 << 20), ("gibps", 8L << 30), ("kbps", 8e3m), ("mbps", 8e6m), ("gbps", 8e9m),
        ("tbps", 8e12m), ("bps", 8),
    ];

    /// <summary>Initialises a rate.</summary>
    /// <param name="bitsPerSecond">Bits per second, 8 or more: the kernel counts bytes.</param>
    public BitRate(long bitsPerSecond)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bitsPerSecond, 8);
        BitsPerSecond = bitsPerSecond;
    }

    /// <summary>Bits per second.</summary>
    public long BitsPerSecond { get; }

    /// <summary>Bytes per second.</summary>
    public ulong BytesPerSecond => (ulong)BitsPerSecond / 8;

    /// <summary>A number of kilobits per second.</summary>
    public static BitRate FromKilobits(long count) => new(checked(count * 1000));

    /// <summary>A number of megabits per second.</summary>
    public static BitRate FromMegabits(long count) => new(checked(count * 1_000_000));

    /// <summary>A number of gigabits per second.</summary>
    public static BitRate FromGigabits(long count) => new(checked(count * 1_000_000_000));

    internal static BitRate FromBytes(ulong bytesPerSecond) => new(Math.Max(8, (long)Math.Min(bytesPerSecond, long.MaxValue / 8) * 8));

    /// <summary>Reads a number with a unit, as tc(8) does: <c>10mbit</c>, <c>1.5gbit</c>; <c>mbps</c> is megabytes per second.
    /// Without a unit it is bits per second.</summary>
    /// <exception cref="FormatException">The text is no such rate, or too large or small.</exception>
    public static BitRate Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        string lower = text.Trim().ToLowerInvariant();
        decimal unit = 1;
        foreach ((string name, decimal bits) in s_units)
        {
            if (!lower.EndsWith(name, StringComparison.Ordinal))
                continue;
            (lower, unit) = (lower[..^name.Length], bits);
            break;
        }

        return decimal.TryParse(lower, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal number)
            && number < long.MaxValue / unit && number * unit >= 8
            ? new BitRate((long)(number * unit))
            : throw new FormatException($"\"{text}\" is not a rate, such as 10mbit, 512kbit or 1gbit.");
    }

    /// <inheritdoc/>
    public int CompareTo(BitRate other) => BitsPerSecond.CompareTo(other.BitsPerSecond);

    /// <summary>The rate with the largest unit that divides it.</summary>
    public override string ToString()
    {
        (long value, string unit) = BitsPerSecond switch
        {
            var b when b % 1_000_000_000 == 0 => (b / 1_000_000_000, "gbit"),
            var b when b % 1_000_000 == 0 => (b / 1_000_000, "mbit"),
            var b when b % 1000 == 0 => (b / 1000, "kbit"),
            var b => (b, "bit"),
        };
        return string.Create(CultureInfo.InvariantCulture, $"{value}{unit}");
    }

    /// <summary>Compares.</summary>
    public static bool operator <(BitRate left, BitRate right) => left.BitsPerSecond < right.BitsPerSecond;

    /// <summary>Compares.</summary>
    public static bool operator >(BitRate left, BitRate right) => left.BitsPerSecond > right.BitsPerSecond;

    /// <summary>Compares.</summary>
    public static bool operator <=(BitRate left, BitRate right) => left.BitsPerSecond <= right.BitsPerSecond;

    /// <summary>Compares.</summary>
    public static bool operator >=(BitRate left, BitRate right) => left.BitsPerSecond >= right.BitsPerSecond;
}
