namespace Isolation.Net.Routing;

/// <summary>Who made an address: <c>IFAPROT_*</c>. Other numbers are free for other programs. Since Linux 5.18.</summary>
public enum AddressProtocol : byte
{
    /// <summary>Not said.</summary>
    Unspecified = 0,

    /// <summary><c>IFAPROT_KERNEL_LO</c>, <c>proto kernel_lo</c>: the kernel, an address of the loopback link.</summary>
    KernelLoopback = 1,

    /// <summary><c>IFAPROT_KERNEL_RA</c>, <c>proto kernel_ra</c>: the kernel, from a router's advertisement.</summary>
    KernelRouterAdvertisement = 2,

    /// <summary><c>IFAPROT_KERNEL_LL</c>, <c>proto kernel_ll</c>: the kernel, a link-local address.</summary>
    KernelLinkLocal = 3,
}
