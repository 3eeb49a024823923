using System.Buffers.Text;

namespace Isolation.Cgroups;

/// <summary>The pressure on one resource: <c>cpu.pressure</c>, <c>memory.pressure</c>, <c>io.pressure</c>, <c>irq.pressure</c>.</summary>
/// <param name="Some">The time in which at least one task waited.</param>
/// <param name="Full">The time in which all tasks waited at once.</param>
public readonly record struct Pressure(PressureLine Some, PressureLine Full)
{
    /// <summary>Reads a pressure file's text. Lines and words of other kernels than those known are left out.</summary>
    /// <exception cref="FormatException">A number of it is none.</exception>
    internal static Pressure Parse(ReadOnlySpan<byte> text)
    {
        PressureLine some = default, full = default;
        foreach (Range range in text.Split((byte)'\n'))
        {
            ReadOnlySpan<byte> line = text[range];
            if (line.StartsWith("some "u8))
                some = ParseLine(line[5..]);
            else if (line.StartsWith("full "u8))
                full = ParseLine(line[5..]);
        }

        return new(some, full);
    }

    private static PressureLine ParseLine(ReadOnlySpan<byte> line)
    {
        double average10 = 0, average60 = 0, average300 = 0;
        long total = 0;
        foreach (Range range in line.Split((byte)' '))
        {
            ReadOnlySpan<byte> word = line[range];
            int equals = word.IndexOf((byte)'=');
            ReadOnlySpan<byte> key = equals < 0 ? default : word[..equals], value = word[(equals + 1)..];
            if (key.SequenceEqual("total"u8))
                total = KeyedValues.ParseValue(value);
            else if (key.SequenceEqual("avg10"u8))
                average10 = Share(value);
            else if (key.SequenceEqual("avg60"u8))
                average60 = Share(value);
            else if (key.SequenceEqual("avg300"u8))
                average300 = Share(value);
        }

        return new(average10, average60, average300,
            TimeSpan.FromTicks(Math.Clamp(total, 0, long.MaxValue / TimeSpan.TicksPerMicrosecond) * TimeSpan.TicksPerMicrosecond));
    }

    private static double Share(ReadOnlySpan<byte> text) =>
        Utf8Parser.TryParse(text, out double share, out int used) && used == text.Length ? share : throw KeyedValues.Bad(text);
}
