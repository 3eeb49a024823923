namespace Isolation.Security;

/// <summary>What Landlock can restrict on files and directories: <c>LANDLOCK_ACCESS_FS_*</c>.</summary>
/// <remarks>A right applies to the named file, or to everything below the named directory.
/// What is not handled by a ruleset is not restricted by it.</remarks>
[Flags]
public enum LandlockFileAccess : ulong
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary><c>EXECUTE</c>: execute a file. Also needed for its interpreter and loader.</summary>
    Execute = 1ul << 0,

    /// <summary><c>WRITE_FILE</c>: open a file for writing.</summary>
    WriteFile = 1ul << 1,

    /// <summary><c>READ_FILE</c>: open a file for reading.</summary>
    ReadFile = 1ul << 2,

    /// <summary><c>READ_DIR</c>: open or list a directory.</summary>
    ReadDir = 1ul << 3,

    /// <summary><c>REMOVE_DIR</c>: remove or rename an empty directory.</summary>
    RemoveDir = 1ul << 4,

    /// <summary><c>REMOVE_FILE</c>: unlink or rename a file.</summary>
    RemoveFile = 1ul << 5,

    /// <summary><c>MAKE_CHAR</c>: make, rename or link a character device.</summary>
    MakeChar = 1ul << 6,

    /// <summary><c>MAKE_DIR</c>: make or rename a directory.</summary>
    MakeDir = 1ul << 7,

    /// <summary><c>MAKE_REG</c>: make, rename or link a regular file.</summary>
    MakeReg = 1ul << 8,

    /// <summary><c>MAKE_SOCK</c>: make, rename or link a Unix socket.</summary>
    MakeSock = 1ul << 9,

    /// <summary><c>MAKE_FIFO</c>: make, rename or link a named pipe.</summary>
    MakeFifo = 1ul << 10,

    /// <summary><c>MAKE_BLOCK</c>: make, rename or link a block device.</summary>
    MakeBlock = 1ul << 11,

    /// <summary><c>MAKE_SYM</c>: make, rename or link a symbolic link.</summary>
    MakeSym = 1ul << 12,

    /// <summary><c>REFER</c>: link or rename between directories. Without it that is always refused. ABI 2, Linux 5.19.</summary>
    Refer = 1ul << 13,

    /// <summary><c>TRUNCATE</c>: truncate(2), ftruncate(2), <c>O_TRUNC</c>. ABI 3, Linux 6.2.</summary>
    Truncate = 1ul << 14,

    /// <summary><c>IOCTL_DEV</c>: ioctl(2) on devices opened afterwards. ABI 5, Linux 6.10.</summary>
    IoctlDev = 1ul << 15,

    /// <summary><c>RESOLVE_UNIX</c>: connect to a Unix socket by its path. ABI 9, Linux 7.1.</summary>
    ResolveUnix = 1ul << 16,

    /// <summary>Reading files and listing directories.</summary>
    Read = ReadFile | ReadDir,

    /// <summary>Writing, truncating, making, linking, renaming and removing files and directories; no devices.</summary>
    Write = WriteFile | Truncate | RemoveDir | RemoveFile | MakeDir | MakeReg | MakeSock | MakeFifo | MakeSym | Refer,
}
