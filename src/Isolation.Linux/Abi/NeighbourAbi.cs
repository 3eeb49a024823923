namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/neighbour.h: neighbours.</summary>
internal static class NeighbourAbi
{
    internal const ushort NDA_DST = 1;
    internal const ushort NDA_LLADDR = 2;
    internal const ushort NDA_VLAN = 5;
    internal const ushort NDA_PORT = 6;
    internal const ushort NDA_VNI = 7;
    internal const ushort NDA_IFINDEX = 8;
    internal const ushort NDA_MASTER = 9;

    internal const ushort NUD_INCOMPLETE = 1;
    internal const ushort NUD_REACHABLE = 2;
    internal const ushort NUD_STALE = 4;
    internal const ushort NUD_DELAY = 8;
    internal const ushort NUD_PROBE = 16;
    internal const ushort NUD_FAILED = 32;
    internal const ushort NUD_NOARP = 64;
    internal const ushort NUD_PERMANENT = 128;
    internal const ushort NUD_NONE = 0;

    internal const byte NTF_SELF = 2;
    internal const byte NTF_MASTER = 4;
    internal const byte NTF_PROXY = 8;
    internal const byte NTF_ROUTER = 128;
}
