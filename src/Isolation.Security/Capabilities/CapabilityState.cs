using System.Globalization;

namespace Isolation.Security;

/// <summary>The five capability sets of a thread. See capabilities(7), "Thread capability sets".</summary>
/// <example><code>builder = builder.WithCapabilities(CapabilityState.Of(CapabilitySet.Of(Capability.NetBindService)));</code></example>
/// <param name="Bounding">The ceiling for what an execve(2) can give.</param>
/// <param name="Permitted">The ceiling for <paramref name="Effective"/>.</param>
/// <param name="Effective">What the kernel checks.</param>
/// <param name="Inheritable">What files with inheritable capabilities may give.
/// Empty in every container of this library unless asked.</param>
/// <param name="Ambient">What a program run by another user than root keeps; must be in permitted and inheritable.</param>
public sealed record CapabilityState(
    CapabilitySet Bounding,
    CapabilitySet Permitted,
    CapabilitySet Effective,
    CapabilitySet Inheritable,
    CapabilitySet Ambient)
{
    /// <summary>The usual state: one set as bounding, permitted and effective, nothing inheritable or ambient.</summary>
    public static CapabilityState Of(CapabilitySet set) => new(set, set, set, CapabilitySet.None, CapabilitySet.None);

    /// <summary>Reads the sets from the text of /proc/PID/status.</summary>
    /// <exception cref="FormatException">A line is missing or is not a hexadecimal number.</exception>
    public static CapabilityState Parse(string status)
    {
        ArgumentNullException.ThrowIfNull(status);
        return new(Line(status, "CapBnd:"), Line(status, "CapPrm:"), Line(status, "CapEff:"), Line(status, "CapInh:"),
            Line(status, "CapAmb:"));
    }

    private static CapabilitySet Line(string status, string key)
    {
        foreach (ReadOnlySpan<char> line in status.AsSpan().EnumerateLines())
        {
            if (line.StartsWith(key, StringComparison.Ordinal))
            {
                return ulong.TryParse(line[key.Length..].Trim(), NumberStyles.AllowHexSpecifier,
                    CultureInfo.InvariantCulture, out ulong bits)
                    ? new CapabilitySet(bits)
                    : throw new FormatException($"\"{line}\" is not a capability set.");
            }
        }

        throw new FormatException($"The status has no line {key}");
    }
}
