namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/openat2.h.</summary>
internal static class OpenAt2Abi
{
    internal const int open_how_size = 24;
    internal const ulong RESOLVE_NO_XDEV = 1;
    internal const ulong RESOLVE_NO_MAGICLINKS = 2;
    internal const ulong RESOLVE_NO_SYMLINKS = 4;
    internal const ulong RESOLVE_BENEATH = 8;
    internal const ulong RESOLVE_IN_ROOT = 0x10;
}
