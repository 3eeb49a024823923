using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>Calls on files that the base library has no form of: openat2, statfs, statx, fd-relative work.</summary>
internal static unsafe class FileSyscalls
{
    /// <summary>The magic number of the file system that a path is on; 0 where it cannot be asked.</summary>
    internal static long FileSystemType(string path)
    {
        // struct statfs begins with f_type; it is 120 bytes on both architectures.
        long* buffer = stackalloc long[16];
        fixed (byte* name = new CString(path).Bytes)
            return RawSyscall.Invoke(Syscall.statfs, (nuint)name, (nuint)buffer).IsError ? 0 : buffer[0];
    }

    internal static SyscallResult OpenAt(LinuxHandle? directory, string path, uint flags, uint mode = 0)
    {
        fixed (byte* name = new CString(path).Bytes)
        {
            nuint at = directory is null ? unchecked((nuint)(nint)Fcntl.AT_FDCWD) : RawSyscall.Word(directory);
            return RawSyscall.InvokeRestarting(Syscall.openat, at, (nuint)name, flags | Fcntl.O_CLOEXEC, mode);
        }
    }

    /// <summary>Opens below a directory with the restrictions of openat2(2).</summary>
    internal static SyscallResult OpenAt2(LinuxHandle directory, string path, uint flags, ulong resolve, uint mode = 0)
    {
        ulong* how = stackalloc ulong[3];
        how[0] = flags | Fcntl.O_CLOEXEC;
        how[1] = mode;
        how[2] = resolve;
        fixed (byte* name = new CString(path).Bytes)
            return RawSyscall.InvokeRestarting(Syscall.openat2, RawSyscall.Word(directory), (nuint)name, (nuint)how, OpenAt2Abi.open_how_size);
    }

    internal static SyscallResult MkdirAt(LinuxHandle directory, string name, uint mode)
    {
        fixed (byte* text = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.mkdirat, RawSyscall.Word(directory), (nuint)text, mode);
    }

    /// <summary>Removes a directory below another: unlinkat(2) with AT_REMOVEDIR.</summary>
    internal static SyscallResult RmdirAt(LinuxHandle? directory, string name)
    {
        nuint at = directory is null ? unchecked((nuint)(nint)Fcntl.AT_FDCWD) : RawSyscall.Word(directory);
        fixed (byte* text = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.unlinkat, at, (nuint)text, Fcntl.AT_REMOVEDIR);
    }

    internal static SyscallResult ChownAt(LinuxHandle directory, string name, uint user, uint group)
    {
        fixed (byte* text = new CString(name).Bytes)
            return RawSyscall.Invoke(Syscall.fchownat, RawSyscall.Word(directory), (nuint)text, user, group, name.Length == 0 ? Fcntl.AT_EMPTY_PATH : Fcntl.AT_SYMLINK_NOFOLLOW);
    }

    /// <summary>Whether the caller's effective ids may use a file so: 4 read, 2 write.</summary>
    internal static bool IsAccessible(LinuxHandle directory, string name, uint access)
    {
        fixed (byte* text = new CString(name).Bytes)
            return !RawSyscall.Invoke(Syscall.faccessat2, RawSyscall.Word(directory), (nuint)text, access, Fcntl.AT_EACCESS).IsError;
    }

    /// <summary>Reads at the beginning of a file: kernfs makes the content anew for each such read.</summary>
    internal static SyscallResult ReadAtStart(LinuxHandle file, Span<byte> buffer, long offset = 0)
    {
        fixed (byte* pointer = buffer)
            return RawSyscall.InvokeRestarting(Syscall.pread64, RawSyscall.Word(file), (nuint)pointer, (nuint)buffer.Length, (nuint)offset);
    }

    /// <summary>Locks a byte of a file for as long as the open file description lives; false where somebody else has it.</summary>
    internal static bool TryLockByte(LinuxHandle file, long offset)
    {
        // struct flock { short l_type, l_whence; off_t l_start, l_len; pid_t l_pid; }
        long* request = stackalloc long[4];
        (request[0], request[1], request[2], request[3]) = (Fcntl.F_WRLCK, offset, 1, 0);
        return !RawSyscall.Invoke(Syscall.fcntl, RawSyscall.Word(file), Fcntl.F_OFD_SETLK, (nuint)request).IsError;
    }

    /// <summary>A counter that another part of the kernel adds to: eventfd(2).</summary>
    internal static SyscallResult EventFd() => RawSyscall.Invoke(Syscall.eventfd2, 0, Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK);

    internal static SyscallResult Ioctl(LinuxHandle file, uint request, nuint argument) =>
        RawSyscall.InvokeRestarting(Syscall.ioctl, RawSyscall.Word(file), request, argument);

    /// <summary>The device and inode of an open file, and its mode and owner.</summary>
    internal static SyscallResult Stat(LinuxHandle file, out FileIdentity identity)
    {
        byte* buffer = stackalloc byte[256];
        byte empty = 0;
        SyscallResult result = RawSyscall.Invoke(Syscall.statx, RawSyscall.Word(file), (nuint)(&empty), Fcntl.AT_EMPTY_PATH, 0x7ff, (nuint)buffer);
        // struct statx: stx_uid 20, stx_gid 24, stx_mode 28, stx_ino 32, stx_size 40, stx_rdev_major 128, minor 132, stx_dev_major 136, minor 140
        identity = result.IsError ? default : new FileIdentity(
            *(uint*)(buffer + 136), *(uint*)(buffer + 140), *(ulong*)(buffer + 32), *(ushort*)(buffer + 28), *(uint*)(buffer + 20),
            *(long*)(buffer + 40), *(uint*)(buffer + 128), *(uint*)(buffer + 132));
        return result;
    }

    internal static SyscallResult Read(LinuxHandle file, Span<byte> buffer)
    {
        fixed (byte* pointer = buffer)
            return RawSyscall.InvokeRestarting(Syscall.read, RawSyscall.Word(file), (nuint)pointer, (nuint)buffer.Length);
    }

    internal static SyscallResult Write(LinuxHandle file, ReadOnlySpan<byte> content)
    {
        fixed (byte* pointer = content)
            return RawSyscall.InvokeRestarting(Syscall.write, RawSyscall.Word(file), (nuint)pointer, (nuint)content.Length);
    }
}

/// <summary>What statx(2) says of a file.</summary>
internal readonly record struct FileIdentity(uint DeviceMajor, uint DeviceMinor, ulong Inode, ushort Mode, uint Owner, long Size, uint RdevMajor, uint RdevMinor)
{
    internal bool IsRegular => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFREG;

    internal bool IsBlock => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFBLK;

    internal bool IsDevice => (Mode & Fcntl.S_IFMT) is Fcntl.S_IFCHR or Fcntl.S_IFBLK;

    internal bool IsDirectory => (Mode & Fcntl.S_IFMT) == Fcntl.S_IFDIR;
}
