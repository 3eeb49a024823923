using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>Calls on files that the base library has no form of: openat2, statfs, statx, fd-relative work.</summary>
internal static unsafe class FileSyscalls
{
    private const long PIPEFS_MAGIC = 0x50495045; // linux/magic.h

    private const int PathMax = 4096; // linux/limits.h

    private static nuint CurrentDirectory => unchecked((nuint)(nint)Fcntl.AT_FDCWD);

    /// <summary>The magic number of the file system that a path is on; 0 where it cannot be asked.</summary>
    internal static long FileSystemType(string path)
    {
        // struct statfs begins with f_type; it is 120 bytes on both architectures.
        long* buffer = stackalloc long[16];
        fixed (byte* name = new CString(path).Bytes)
            return RawSyscall.Invoke(Syscall.statfs, (nuint)name, (nuint)buffer).IsError ? 0 : buffer[0];
    }

    /// <summary>Whether a descriptor is a pipe of pipe(2), which has no name; a FIFO is a file of its file system.</summary>
    internal static bool IsAnonymousPipe(int descriptor)
    {
        long* buffer = stackalloc long[16];
        return !RawSyscall.Invoke(Syscall.fstatfs, (nuint)descriptor, (nuint)buffer).IsError && buffer[0] == PIPEFS_MAGIC;
    }

    internal static SyscallResult OpenAt(LinuxHandle? directory, string path, uint flags, uint mode = 0)
    {
        fixed (byte* name = new CString(path).Bytes)
        {
            return directory is null
                ? RawSyscall.InvokeRestarting(Syscall.openat, CurrentDirectory, (nuint)name, flags | Fcntl.O_CLOEXEC, mode)
                : RawSyscall.InvokeRestarting(Syscall.openat, directory, (nuint)name, flags | Fcntl.O_CLOEXEC, mode);
        }
    }

    /// <summary>Opens below a directory with the restrictions of openat2(2).</summary>
    /// <remarks>EAGAIN says that a rename or a mount elsewhere has disturbed the resolution: tried again, a bounded number of
    /// times.</remarks>
    internal static SyscallResult OpenAt2(LinuxHandle directory, string path, uint flags, ulong resolve, uint mode = 0)
    {
        ulong* how = stackalloc ulong[3];
        how[0] = flags | Fcntl.O_CLOEXEC;
        how[1] = mode;
        how[2] = resolve;
        fixed (byte* name = new CString(path).Bytes)
        {
            SyscallResult result = default;
            for (int repeated = 0; repeated < 1 << Programs.InterpreterLayout.LastRepeatBit; repeated++)
            {
                result = RawSyscall.InvokeRestarting(Syscall.openat2, directory, (nuint)name, (nuint)how, OpenAt2Abi.open_how_size);
                if (result.Errno != Errno.EAGAIN)
                    break;
            }

            return result;
        }
    }

    /// <summary>Where an opened link leads.</summary>
    internal static SyscallResult ReadLink(LinuxHandle link, out string target)
    {
        byte* buffer = stackalloc byte[PathMax];
        byte empty = 0;
        SyscallResult length = RawSyscall.Invoke(Syscall.readlinkat, link, (nuint)(&empty), (nuint)buffer, PathMax);
        target = length.IsError ? "" : System.Text.Encoding.UTF8.GetString(buffer, (int)length.Value);
        return length;
    }

    /// <summary>Where a link leads; <c>EINVAL</c> for what is no link.</summary>
    internal static SyscallResult ReadLink(string path, out string target)
    {
        byte* buffer = stackalloc byte[PathMax];
        SyscallResult length;
        fixed (byte* text = new CString(path).Bytes)
            length = RawSyscall.Invoke(Syscall.readlinkat, CurrentDirectory, (nuint)text, (nuint)buffer, PathMax);
        target = length.IsError ? "" : System.Text.Encoding.UTF8.GetString(buffer, (int)length.Value);
        return length;
    }

    internal static SyscallResult MkdirAt(LinuxHandle directory, string name, uint mode)
    {
        fixed (byte* text = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.mkdirat, directory, (nuint)text, mode);
    }

    /// <summary>Removes a directory below another: unlinkat(2) with AT_REMOVEDIR.</summary>
    internal static SyscallResult RmdirAt(LinuxHandle? directory, string name)
    {
        fixed (byte* text = new CString(name).Bytes)
        {
            return directory is null
                ? RawSyscall.Invoke(Syscall.unlinkat, CurrentDirectory, (nuint)text, Fcntl.AT_REMOVEDIR)
                : RawSyscall.Invoke(Syscall.unlinkat, directory, (nuint)text, Fcntl.AT_REMOVEDIR);
        }
    }

    internal static SyscallResult ChownAt(LinuxHandle directory, string name, uint user, uint group)
    {
        fixed (byte* text = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.fchownat, directory, (nuint)text, user, group,
                name.Length == 0 ? Fcntl.AT_EMPTY_PATH : Fcntl.AT_SYMLINK_NOFOLLOW);
    }

    /// <summary>Whether a path leads to something.</summary>
    /// <exception cref="LinuxException">It cannot be found out, as for want of memory.</exception>
    internal static bool Exists(string path)
    {
        SyscallResult opened = OpenAt(null, path, Fcntl.O_PATH);
        if (opened.IsAbsent)
            return false;
        opened.ThrowIfError("look at", $"\"{path}\"", "openat(2)");
        new LinuxHandle((int)opened.Value).Dispose();
        return true;
    }

    /// <summary>Whether the caller's effective ids may use a file so: 4 read, 2 write.</summary>
    /// <exception cref="LinuxException">It cannot be found out, as for want of memory.</exception>
    internal static bool IsAccessible(LinuxHandle directory, string name, uint access)
    {
        fixed (byte* text = new CString(name).Bytes)
        {
            SyscallResult result = RawSyscall.InvokeRestarting(Syscall.faccessat2, directory, (nuint)text, access, Fcntl.AT_EACCESS);
            if (result.Errno is not (Errno.EACCES or Errno.EPERM or Errno.EROFS or Errno.ENOENT or Errno.ENODEV))
                result.ThrowIfError("look at", $"\"{name}\"", "faccessat2(2)");
            return !result.IsError;
        }
    }

    /// <summary>Reads at the beginning of a file: kernfs makes the content anew for each such read.</summary>
    internal static SyscallResult ReadAtStart(LinuxHandle file, Span<byte> buffer, long offset = 0)
    {
        fixed (byte* pointer = buffer)
            return RawSyscall.InvokeRestarting(Syscall.pread64, file, (nuint)pointer, (nuint)buffer.Length, (nuint)offset);
    }

    /// <summary>Locks a byte of a file for as long as the open file description lives; false where somebody else has it.</summary>
    internal static bool TryLockByte(LinuxHandle file, long offset)
    {
        // struct flock { short l_type, l_whence; off_t l_start, l_len; pid_t l_pid; }
        long* request = stackalloc long[4];
        (request[0], request[1], request[2], request[3]) = (Fcntl.F_WRLCK, offset, 1, 0);
        return !RawSyscall.Invoke(Syscall.fcntl, file, Fcntl.F_OFD_SETLK, (nuint)request).IsError;
    }

    /// <summary>A counter that another part of the kernel adds to: eventfd(2).</summary>
    internal static SyscallResult EventFd() => RawSyscall.Invoke(Syscall.eventfd2, 0, Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);

    internal static SyscallResult Ioctl(LinuxHandle file, uint request, nuint argument) =>
        RawSyscall.InvokeRestarting(Syscall.ioctl, file, request, argument);

    /// <summary>The device and inode of an open file, and its mode and owner.</summary>
    internal static SyscallResult Stat(LinuxHandle file, out FileIdentity identity)
    {
        byte* buffer = stackalloc byte[256];
        byte empty = 0;
        SyscallResult result = RawSyscall.Invoke(Syscall.statx, file, (nuint)(&empty), Fcntl.AT_EMPTY_PATH, 0x7ff, (nuint)buffer);
        // struct statx: stx_uid 20, stx_gid 24, stx_mode 28, stx_ino 32, stx_size 40,
        // stx_rdev_major 128, minor 132, stx_dev_major 136, minor 140
        identity = result.IsError ? default : new FileIdentity(
            *(uint*)(buffer + 136), *(uint*)(buffer + 140), *(ulong*)(buffer + 32), *(ushort*)(buffer + 28), *(uint*)(buffer + 20),
            *(long*)(buffer + 40), *(uint*)(buffer + 128), *(uint*)(buffer + 132));
        return result;
    }

    internal static SyscallResult Read(LinuxHandle file, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
            return RawSyscall.InvokeRestarting(Syscall.read, file, (nuint)pointer, (nuint)buffer.Length);
    }

    /// <summary>Cuts a file off behind so many bytes.</summary>
    internal static SyscallResult Truncate(LinuxHandle file, long length) =>
        RawSyscall.InvokeRestarting(Syscall.ftruncate, file, (nuint)length);

    internal static SyscallResult Write(LinuxHandle file, ReadOnlySpan<byte> content)
    {
        fixed (byte* pointer = content)
            return RawSyscall.InvokeRestarting(Syscall.write, file, (nuint)pointer, (nuint)content.Length);
    }
}

/// <summary>What statx(2) says of a file.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, ushort Mode, uint Owner, long Size,
    uint RdevMajor, uint RdevMinor)
{
    internal bool IsRegular => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFREG;

    internal bool IsBlock => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFBLK;

    internal bool IsDevice => (Mode & Fcntl.S_IFMT) is Fcntl.S_IFCHR or Fcntl.S_IFBLK;

    internal bool IsLink => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFLNK;

    internal bool IsDirectory => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFDIR;
}
