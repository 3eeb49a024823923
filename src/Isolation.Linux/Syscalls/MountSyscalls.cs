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

    /// <summary>Mounts a file system in another process's mount namespace, from a thread that ends with it. Paths are of that namespace's root.</summary>
    internal static SyscallResult MountIn(PidHandle process, string type, string target, ulong flags, string data)
    {
        using var thread = new LinuxThread("isolation mount");
        return thread.Invoke(() =>
        {
            // The root and working directories are shared among threads until then, and must not be to enter a mount namespace.
            SyscallResult result = RawSyscall.Invoke(Syscall.unshare, (nuint)Abi.Sched.CLONE_FS);
            if (!result.IsError)
                result = RawSyscall.Invoke(Syscall.setns, RawSyscall.Word(process), (nuint)Abi.Sched.CLONE_NEWNS);
            if (result.IsError)
                return result;
            fixed (byte* name = new CString(type).Bytes, path = new CString(target).Bytes, options = new CString(data).Bytes)
                return RawSyscall.Invoke(Syscall.mount, (nuint)name, (nuint)path, (nuint)name, (nuint)flags, (nuint)options);
        });
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
