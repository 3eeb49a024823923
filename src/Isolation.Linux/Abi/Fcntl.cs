namespace Isolation.Linux.Abi;

/// <summary>Constants of fcntl.h, linux/fcntl.h, linux/memfd.h and linux/close_range.h.</summary>
internal static class Fcntl
{
    internal const uint O_RDONLY = 0;
    internal const uint O_WRONLY = 1;
    internal const uint O_RDWR = 2;
    internal const uint O_CREAT = 0x40;
    internal const uint O_EXCL = 0x80;
    internal const uint O_NOCTTY = 0x100;
    internal const uint O_TRUNC = 0x200;
    internal const uint O_APPEND = 0x400;
    internal const uint O_NONBLOCK = 0x800;
    internal const uint O_CLOEXEC = 0x80000;
    internal const uint O_PATH = 0x200000;

    /// <summary>O_DIRECTORY differs: 0x10000 on x86-64, 0x4000 on arm64.</summary>
    internal static uint O_DIRECTORY(System.Runtime.InteropServices.Architecture architecture) =>
        architecture == System.Runtime.InteropServices.Architecture.Arm64 ? 0x4000u : 0x10000u;

    /// <summary>O_NOFOLLOW differs: 0x20000 on x86-64, 0x8000 on arm64.</summary>
    internal static uint O_NOFOLLOW(System.Runtime.InteropServices.Architecture architecture) =>
        architecture == System.Runtime.InteropServices.Architecture.Arm64 ? 0x8000u : 0x20000u;

    internal const int AT_FDCWD = -100;
    internal const uint AT_SYMLINK_NOFOLLOW = 0x100;
    internal const uint AT_REMOVEDIR = 0x200;
    internal const uint AT_EACCESS = 0x200;
    internal const uint AT_EMPTY_PATH = 0x1000;
    internal const uint AT_RECURSIVE = 0x8000;

    internal const uint F_DUPFD_CLOEXEC = 1030;
    internal const uint F_SETFD = 2;
    internal const uint F_SETFL = 4;
    internal const uint F_OFD_SETLK = 37;
    internal const uint F_WRLCK = 1;
    internal const uint F_ADD_SEALS = 1033;
    internal const uint F_GET_SEALS = 1034;
    internal const uint F_SEAL_SEAL = 1;
    internal const uint F_SEAL_SHRINK = 2;
    internal const uint F_SEAL_GROW = 4;
    internal const uint F_SEAL_WRITE = 8;

    internal const uint MFD_CLOEXEC = 1;
    internal const uint MFD_ALLOW_SEALING = 2;
    internal const uint MFD_NOEXEC_SEAL = 8;
    internal const uint MFD_EXEC = 0x10;

    internal const uint CLOSE_RANGE_CLOEXEC = 4;

    internal const uint S_IFMT = 0xf000;
    internal const uint S_IFREG = 0x8000;
    internal const uint S_IFCHR = 0x2000;
    internal const uint S_IFBLK = 0x6000;
    internal const uint S_IFDIR = 0x4000;
    internal const uint S_IFLNK = 0xa000;
    internal const uint S_IFIFO = 0x1000;
}
