namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/mount.h: the descriptor-based mount interface.</summary>
internal static class MountAbi
{
    internal const uint OPEN_TREE_CLONE = 1;
    internal const uint OPEN_TREE_CLOEXEC = 0x80000;
    internal const uint MOVE_MOUNT_F_EMPTY_PATH = 0x4;
    internal const uint MOVE_MOUNT_T_EMPTY_PATH = 0x40;
    internal const uint FSOPEN_CLOEXEC = 1;
    internal const uint FSCONFIG_SET_FLAG = 0;
    internal const uint FSCONFIG_SET_STRING = 1;
    internal const uint FSCONFIG_CMD_CREATE = 6;
    internal const uint FSMOUNT_CLOEXEC = 1;

    internal const uint MOUNT_ATTR_RDONLY = 0x1;
    internal const uint MOUNT_ATTR_NOSUID = 0x2;
    internal const uint MOUNT_ATTR_NODEV = 0x4;
    internal const uint MOUNT_ATTR_NOEXEC = 0x8;
    internal const uint MOUNT_ATTR_NOATIME = 0x10;
    internal const uint MOUNT_ATTR_STRICTATIME = 0x20;
    internal const uint MOUNT_ATTR__ATIME = 0x70;
    internal const uint MOUNT_ATTR_NODIRATIME = 0x80;
    internal const uint MOUNT_ATTR_IDMAP = 0x100000;
    internal const uint MOUNT_ATTR_NOSYMFOLLOW = 0x200000;
    internal const int MOUNT_ATTR_SIZE_VER0 = 32;

    internal const uint MS_UNBINDABLE = 1 << 17;
    internal const uint MS_PRIVATE = 1 << 18;
    internal const uint MS_SLAVE = 1 << 19;
    internal const uint MS_SHARED = 1 << 20;
    internal const uint MS_REC = 1 << 14;
    internal const uint MS_BIND = 1 << 12;

    internal const uint MNT_DETACH = 2;
}

/// <summary><c>struct mount_attr</c>, linux/mount.h, v6.12; extensible, this is VER0.</summary>
[System.Runtime.InteropServices.StructLayout(System.Runtime.InteropServices.LayoutKind.Sequential)]
internal struct mount_attr
{
    internal ulong attr_set, attr_clr, propagation, userns_fd;
}
