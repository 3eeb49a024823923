namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/neighbour.h: neighbours.</summary>
internal static class NeighbourAbi
{
    internal const ushort NDA_DST = 1;
    internal const ushort NDA_LLADDR = 2;

    internal const byte NTF_PROXY = 8;
    internal const byte NTF_ROUTER = 128;
}
