using System.Globalization;

namespace Isolation.Namespaces;

/// <summary>Offsets of the clocks of a time namespace from the host's. See time_namespaces(7).</summary>
/// <example><code>
/// builder = builder.WithTimeOffsets(new TimeOffsets(Monotonic: TimeSpan.FromDays(1), Boottime: TimeSpan.FromDays(1)));
/// </code></example>
/// <param name="Monotonic">Added to <c>CLOCK_MONOTONIC</c>.</param>
/// <param name="Boottime">Added to <c>CLOCK_BOOTTIME</c>, which is what uptime shows.</param>
public sealed record TimeOffsets(TimeSpan Monotonic, TimeSpan Boottime)
{
    /// <summary>The text for /proc/PID/timens_offsets.</summary>
    public override string ToString() => $"monotonic {Line(Monotonic)}\nboottime {Line(Boottime)}\n";

    private static string Line(TimeSpan offset)
    {
        long seconds = (long)Math.Floor(offset.TotalSeconds);
        long nanoseconds = (offset - TimeSpan.FromSeconds(seconds)).Ticks * 100;
        return string.Create(CultureInfo.InvariantCulture, $"{seconds} {nanoseconds}");
    }
}
