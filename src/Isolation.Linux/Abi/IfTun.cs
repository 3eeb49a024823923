namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/if_tun.h: tun and tap devices.</summary>
internal static class IfTun
{
    internal const uint TUNSETIFF = 0x400454ca;
    internal const uint TUNSETPERSIST = 0x400454cb;
    internal const uint TUNSETOWNER = 0x400454cc;
    internal const uint IFF_TUN = 1;
    internal const uint IFF_TAP = 2;
    internal const uint IFF_NO_PI = 0x1000;
}
