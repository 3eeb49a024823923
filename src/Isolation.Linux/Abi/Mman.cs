namespace Isolation.Linux.Abi;

/// <summary>Constants of asm-generic/mman-common.h and linux/mman.h.</summary>
internal static class Mman
{
    internal const uint PROT_READ = 1;
    internal const uint PROT_WRITE = 2;
    internal const uint MAP_SHARED = 1;
    internal const uint MAP_FIXED = 0x10;
}
