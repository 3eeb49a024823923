namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/genetlink.h: families of netlink whose numbers are given when they are registered.</summary>
internal static class Genetlink
{
    internal const ushort GENL_ID_CTRL = 16;
    internal const byte CTRL_CMD_GETFAMILY = 3;
    internal const ushort CTRL_ATTR_FAMILY_ID = 1;
    internal const ushort CTRL_ATTR_FAMILY_NAME = 2;
}
