using System.Globalization;

namespace Isolation.Cgroups;

/// <summary>A count that is a limit, or <see cref="Max"/>: none.</summary>
public readonly record struct CgroupLimit
{
    /// <summary>Initialises a limit.</summary>
    /// <param name="value">The count, 0 or more.</param>
    public CgroupLimit(long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        Value = value;
    }

    private CgroupLimit(bool isMax) => (Value, IsMax) = (long.MaxValue, isMax);

    /// <summary>No limit.</summary>
    public static CgroupLimit Max { get; } = new(isMax: true);

    /// <summary>The count; <see cref="long.MaxValue"/> for <see cref="Max"/>.</summary>
    public long Value { get; }

    /// <summary>Whether this is <see cref="Max"/>.</summary>
    public bool IsMax { get; }

    /// <summary>A limit of that many.</summary>
    public static implicit operator CgroupLimit(long value) => new(value);

    /// <summary>Reads a number or <c>max</c>.</summary>
    /// <exception cref="FormatException">The text is neither.</exception>
    public static CgroupLimit Parse(string text) => (text ?? throw new ArgumentNullException(nameof(text))) == "max" ? Max
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out long value) ? new(value)
        : throw new FormatException($"\"{text}\" is neither a number nor max.");

    /// <summary>The kernel's form: the number, or <c>max</c>.</summary>
    public override string ToString() => IsMax ? "max" : Value.ToString(CultureInfo.InvariantCulture);
}
