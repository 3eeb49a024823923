using System.Net;

namespace Isolation.Containers;

/// <summary>A name with an address, for /etc/hosts.</summary>
/// <example><code>builder = builder.AddHost(HostEntry.Parse("db:10.0.0.7"));</code></example>
/// <param name="Name">The name.</param>
/// <param name="Address">The address.</param>
public sealed record HostEntry(string Name, IPAddress Address)
{
    /// <summary>Reads <c>NAME:ADDRESS</c>, as docker does.</summary>
    /// <exception cref="FormatException">The text is not an entry such as db:10.0.0.7.</exception>
    public static HostEntry Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int colon = text.IndexOf(':', StringComparison.Ordinal);
        return colon > 0 && EgressRule.IsHostName(text[..colon])
            && IPAddress.TryParse(text[(colon + 1)..].Trim('[', ']'), out IPAddress? address)
            ? new HostEntry(text[..colon], address) : throw new FormatException($"\"{text}\" is not NAME:ADDRESS.");
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Name}:{Address}";
}
