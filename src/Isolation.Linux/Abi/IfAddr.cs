namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/if_addr.h: addresses.</summary>
internal static class IfAddr
{
    internal const ushort IFA_ADDRESS = 1;
    internal const ushort IFA_LOCAL = 2;
    internal const ushort IFA_LABEL = 3;
    internal const ushort IFA_BROADCAST = 4;
    internal const ushort IFA_CACHEINFO = 6;
    internal const ushort IFA_FLAGS = 8;
    internal const ushort IFA_RT_PRIORITY = 9;
    internal const ushort IFA_PROTO = 11;

    internal const uint IFA_F_SECONDARY = 1;
    internal const uint IFA_F_NODAD = 2;
    internal const uint IFA_F_OPTIMISTIC = 4;
    internal const uint IFA_F_DADFAILED = 8;
    internal const uint IFA_F_HOMEADDRESS = 16;
    internal const uint IFA_F_DEPRECATED = 32;
    internal const uint IFA_F_TENTATIVE = 64;
    internal const uint IFA_F_PERMANENT = 128;
    internal const uint IFA_F_MANAGETEMPADDR = 0x100;
    internal const uint IFA_F_NOPREFIXROUTE = 0x200;
    internal const uint IFA_F_MCAUTOJOIN = 0x400;
    internal const uint IFA_F_STABLE_PRIVACY = 0x800;

    internal const byte IFAPROT_UNSPEC = 0;
    internal const byte IFAPROT_KERNEL_LO = 1;
    internal const byte IFAPROT_KERNEL_RA = 2;
    internal const byte IFAPROT_KERNEL_LL = 3;
}
