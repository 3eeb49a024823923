namespace Isolation.Linux.Syscalls;

/// <summary>mount(2) and umount2(2) by path, for what the descriptor-based interface does not cover.</summary>
internal static unsafe class MountSyscalls
{
    internal static SyscallResult Mount(string source, string target, uint flags)
    {
        fixed (byte* from = new CString(source).Bytes, to = new CString(target).Bytes)
            return RawSyscall.Invoke(Syscall.mount, (nuint)from, (nuint)to, 0, flags, 0);
    }

    internal static SyscallResult Unmount(string target, uint flags)
    {
        fixed (byte* path = new CString(target).Bytes)
            return RawSyscall.Invoke(Syscall.umount2, (nuint)path, flags);
    }
}

/// <summary>ioctl_nsfs(2) calls that fill in memory.</summary>
internal static unsafe class NsfsSyscalls
{
    internal static SyscallResult GetOwner(LinuxHandle handle, uint request, ref uint owner)
    {
        fixed (uint* pointer = &owner)
            return FileSyscalls.Ioctl(handle, request, (nuint)pointer);
    }
}
