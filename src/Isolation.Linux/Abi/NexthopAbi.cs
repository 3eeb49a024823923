namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/nexthop.h: nexthop objects.</summary>
internal static class NexthopAbi
{
    internal const ushort NHA_ID = 1;
    internal const ushort NHA_GROUP = 2;
    internal const ushort NHA_BLACKHOLE = 4;
    internal const ushort NHA_OIF = 5;
    internal const ushort NHA_GATEWAY = 6;
}
