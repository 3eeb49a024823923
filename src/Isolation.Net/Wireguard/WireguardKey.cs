using System.Security.Cryptography;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Net.Netlink;

namespace Isolation.Net.Wireguard;

/// <summary>A key of WireGuard: 32 bytes, written as base64 as wg(8) does.</summary>
/// <example><code>WireguardKey key = WireguardKey.GeneratePrivate();</code></example>
public sealed record WireguardKey
{
    private readonly byte[] _bytes;

    /// <summary>Initialises a key from its bytes.</summary>
    /// <exception cref="ArgumentException">There are not 32 of them.</exception>
    public WireguardKey(ReadOnlySpan<byte> bytes)
    {
        if (bytes.Length != WireguardAbi.WG_KEY_LEN)
            throw new ArgumentException($"A key has {WireguardAbi.WG_KEY_LEN} bytes, not {bytes.Length}.", nameof(bytes));
        _bytes = bytes.ToArray();
    }

    /// <summary>The key.</summary>
    public ReadOnlySpan<byte> Bytes => _bytes;

    /// <summary>Makes a new private key. Its public key is what the kernel answers once a link has it:
    /// <see cref="WireguardDevice.PublicKey"/>.</summary>
    public static WireguardKey GeneratePrivate()
    {
        byte[] bytes = RandomSyscalls.Get(WireguardAbi.WG_KEY_LEN);
        // As Curve25519 wants them.
        bytes[0] &= 248;
        bytes[31] = (byte)((bytes[31] & 127) | 64);
        return new WireguardKey(bytes);
    }

    /// <summary>Makes a new key to share between two peers beforehand.</summary>
    public static WireguardKey GeneratePreshared() => new(RandomSyscalls.Get(WireguardAbi.WG_KEY_LEN));

    /// <summary>Reads base64, as of <c>wg genkey</c>.</summary>
    /// <exception cref="FormatException">The text is no key. It is not repeated: it may be a secret.</exception>
    public static WireguardKey Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        var bytes = new byte[WireguardAbi.WG_KEY_LEN + 3];
        return Convert.TryFromBase64String(text, bytes, out int count) && count == WireguardAbi.WG_KEY_LEN
            ? new WireguardKey(bytes.AsSpan(0, count))
            : throw new FormatException($"The text is no key of WireGuard: {WireguardAbi.WG_KEY_LEN} bytes as base64, 44 characters, of "
                + $"which this has {text.Length}.");
    }

    /// <summary>Compares in constant time.</summary>
    public bool Equals(WireguardKey? other) => other is not null && CryptographicOperations.FixedTimeEquals(_bytes, other._bytes);

    /// <inheritdoc/>
    public override int GetHashCode() => BitConverter.ToInt32(_bytes);

    /// <summary>The key as base64. Of a private key, that is the secret.</summary>
    public override string ToString() => Convert.ToBase64String(_bytes);

    /// <summary>The key; null where all is zero, by which the kernel says that there is none.</summary>
    internal static WireguardKey? Read(ReadOnlySpan<byte> bytes) =>
        bytes.Length != WireguardAbi.WG_KEY_LEN ? throw NetlinkException.Malformed($"A key of WireGuard has {bytes.Length} bytes.")
            : bytes.ContainsAnyExcept((byte)0) ? new WireguardKey(bytes)
            : null;
}
