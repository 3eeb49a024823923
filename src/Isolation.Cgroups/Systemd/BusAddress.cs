using System.Collections.Immutable;
using System.Globalization;
using System.Text;

namespace Isolation.Cgroups;

/// <summary>Where a bus listens. See the D-Bus specification, "Server Addresses".</summary>
internal static class BusAddress
{
    private const string SystemBus = "unix:path=/run/dbus/system_bus_socket";

    /// <summary>The sockets of the system's bus or of this user's, as connect(2) takes their names; none where the environment names
    /// none. A transport that is no socket of unix(7) is passed over.</summary>
    internal static ImmutableArray<byte[]> Find(bool user)
    {
        string? address = Environment.GetEnvironmentVariable(user ? "DBUS_SESSION_BUS_ADDRESS" : "DBUS_SYSTEM_BUS_ADDRESS");
        if (!string.IsNullOrEmpty(address))
            return Parse(address);
        if (!user)
            return Parse(SystemBus);
        return Environment.GetEnvironmentVariable("XDG_RUNTIME_DIR") is { Length: > 0 } directory
            ? [Encoding.UTF8.GetBytes(Path.Combine(directory, "bus"))]
            : [];
    }

    internal static ImmutableArray<byte[]> Parse(string address)
    {
        var sockets = ImmutableArray.CreateBuilder<byte[]>();
        foreach (string entry in address.Split(';'))
        {
            if (!entry.StartsWith("unix:", StringComparison.Ordinal))
                continue;
            foreach (string pair in entry[5..].Split(','))
            {
                if (pair.StartsWith("path=", StringComparison.Ordinal) && Unescape(pair[5..]) is { Length: > 0 } path)
                    sockets.Add(path);
                else if (pair.StartsWith("abstract=", StringComparison.Ordinal) && Unescape(pair[9..]) is { Length: > 0 } name)
                    sockets.Add([0, .. name]);
            }
        }

        return sockets.ToImmutable();
    }

    /// <summary>A value's bytes; null where a % is not followed by two hexadecimal digits.</summary>
    private static byte[]? Unescape(string value)
    {
        byte[] text = Encoding.UTF8.GetBytes(value);
        var bytes = new List<byte>(text.Length);
        for (int i = 0; i < text.Length; i++)
        {
            if (text[i] != '%')
            {
                bytes.Add(text[i]);
                continue;
            }

            if (i + 2 >= text.Length || !byte.TryParse(text.AsSpan(i + 1, 2), NumberStyles.AllowHexSpecifier,
                CultureInfo.InvariantCulture, out byte escaped))
                return null;
            bytes.Add(escaped);
            i += 2;
        }

        return [.. bytes];
    }
}
