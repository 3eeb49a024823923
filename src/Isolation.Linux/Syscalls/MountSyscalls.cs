using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;

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

    /// <summary>Copies the mount of a file, detached, read-only and without programs and devices; the result is its descriptor.</summary>
    internal static SyscallResult CloneReadOnly(string path)
    {
        fixed (byte* name = new CString(path).Bytes, empty = new CString("").Bytes)
        {
            SyscallResult tree = RawSyscall.Invoke(Syscall.open_tree, unchecked((nuint)Fcntl.AT_FDCWD), (nuint)name,
                MountAbi.OPEN_TREE_CLONE | MountAbi.OPEN_TREE_CLOEXEC);
            if (tree.IsError)
                return tree;
            ulong* attributes = stackalloc ulong[4];
            (attributes[0], attributes[1], attributes[2], attributes[3]) = (MountAbi.MOUNT_ATTR_RDONLY | MountAbi.MOUNT_ATTR_NOSUID
                | MountAbi.MOUNT_ATTR_NODEV | MountAbi.MOUNT_ATTR_NOEXEC, 0, MountAbi.MS_PRIVATE, 0);
            SyscallResult set = RawSyscall.Invoke(Syscall.mount_setattr, (nuint)tree.Value, (nuint)empty, Fcntl.AT_EMPTY_PATH,
                (nuint)attributes, MountAbi.MOUNT_ATTR_SIZE_VER0);
            if (!set.IsError)
                return tree;
            RawSyscall.Invoke(Syscall.close, (nuint)tree.Value);
            return set;
        }
    }

    /// <summary>Mounts a file system in another process's mount namespace, from a child that makes system calls alone.
    /// Paths are of that namespace's root.</summary>
    internal static SyscallResult MountIn(PidHandle process, string type, string target, ulong flags, string data)
    {
        using Borrow file = new(process);
        try
        {
            StepChild.Run(new PlanStep("mount", target,
            [
                new SyscallStep(Syscall.setns, file.Number, StepArgument.Flags(Sched.CLONE_NEWNS, "CLONE_NEWNS")),
                new SyscallStep(Syscall.mount, type, target, type, flags, data),
            ]));
            return default;
        }
        catch (LinuxException e)
        {
            return new SyscallResult(-(long)e.Errno);
        }
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
