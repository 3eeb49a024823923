using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Isolation.Net.Netlink;

namespace Isolation.Net;

/// <summary>Addresses with prefixes as text, and their families as numbers.</summary>
internal static class AddressText
{
    private const byte AF_INET = 2, AF_INET6 = 10;

    internal static byte Family(IPAddress address) => address.AddressFamily == AddressFamily.InterNetwork ? AF_INET : AF_INET6;

    internal static byte Family(IPNetwork network) => Family(network.BaseAddress);

    internal static (IPAddress Address, int Prefix) Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        int slash = text.IndexOf('/', StringComparison.Ordinal);
        string host = slash < 0 ? text : text[..slash];
        // IPAddress alone would read "1" as 0.0.0.1, and accept a scope.
        if (!IPAddress.TryParse(host, out IPAddress? address) || host.Contains('%', StringComparison.Ordinal)
            || (address.AddressFamily == AddressFamily.InterNetwork && host.Count(c => c == '.') != 3))
            throw new FormatException($"\"{text}\" is not an IP address, such as 10.0.0.1/24 or fd00::1/64.");
        int most = NetlinkWriter.LengthOf(address) * 8;
        if (slash < 0)
            return (address, most);
        return int.TryParse(text.AsSpan(slash + 1), NumberStyles.None, CultureInfo.InvariantCulture, out int prefix) && prefix <= most
            ? (address, prefix)
            : throw new FormatException($"\"{text}\" has a bad mask: the prefix of such an address has 0 to {most} bits.");
    }
}
