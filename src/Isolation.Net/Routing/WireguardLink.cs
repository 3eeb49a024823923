using Isolation.Net.Wireguard;

namespace Isolation.Net.Routing;

/// <summary>A WireGuard tunnel: <c>ip link add NAME type wireguard</c>.
/// Its keys and peers are set by <see cref="WireguardSocket"/>.</summary>
public sealed record WireguardLink : Link
{
    /// <summary>Initialises one.</summary>
    public WireguardLink() => Kind = "wireguard";
}
