namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/landlock.h.</summary>
internal static class LandlockAbi
{
    internal const uint LANDLOCK_CREATE_RULESET_VERSION = 1;
    internal const uint LANDLOCK_CREATE_RULESET_ERRATA = 2;
    internal const uint LANDLOCK_RULE_PATH_BENEATH = 1;
    internal const uint LANDLOCK_RULE_NET_PORT = 2;
    internal const uint LANDLOCK_ADD_RULE_QUIET = 1;
    internal const uint LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF = 1;
    internal const uint LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON = 2;
    internal const uint LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF = 4;
    internal const uint LANDLOCK_RESTRICT_SELF_TSYNC = 8;
    internal const uint LANDLOCK_RESTRICT_SELF_NO_NEW_PRIVS = 16;

    internal const ulong LANDLOCK_ACCESS_FS_EXECUTE = 1ul << 0;
    internal const ulong LANDLOCK_ACCESS_FS_WRITE_FILE = 1ul << 1;
    internal const ulong LANDLOCK_ACCESS_FS_READ_FILE = 1ul << 2;
    internal const ulong LANDLOCK_ACCESS_FS_READ_DIR = 1ul << 3;
    internal const ulong LANDLOCK_ACCESS_FS_REMOVE_DIR = 1ul << 4;
    internal const ulong LANDLOCK_ACCESS_FS_REMOVE_FILE = 1ul << 5;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_CHAR = 1ul << 6;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_DIR = 1ul << 7;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_REG = 1ul << 8;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_SOCK = 1ul << 9;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_FIFO = 1ul << 10;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_BLOCK = 1ul << 11;
    internal const ulong LANDLOCK_ACCESS_FS_MAKE_SYM = 1ul << 12;
    internal const ulong LANDLOCK_ACCESS_FS_REFER = 1ul << 13;
    internal const ulong LANDLOCK_ACCESS_FS_TRUNCATE = 1ul << 14;
    internal const ulong LANDLOCK_ACCESS_FS_IOCTL_DEV = 1ul << 15;
    internal const ulong LANDLOCK_ACCESS_FS_RESOLVE_UNIX = 1ul << 16;
    internal const ulong LANDLOCK_ACCESS_NET_BIND_TCP = 1ul << 0;
    internal const ulong LANDLOCK_ACCESS_NET_CONNECT_TCP = 1ul << 1;
    internal const ulong LANDLOCK_ACCESS_NET_BIND_UDP = 1ul << 2;
    internal const ulong LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP = 1ul << 3;
    internal const ulong LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET = 1ul << 0;
    internal const ulong LANDLOCK_SCOPE_SIGNAL = 1ul << 1;
}
