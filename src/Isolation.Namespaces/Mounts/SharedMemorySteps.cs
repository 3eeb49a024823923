using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers the sharing of /dev/shm. POSIX shared memory is files there, which an IPC namespace does not hold:
/// shm_overview(7).</summary>
internal static class SharedMemorySteps
{
    private const string Path = "/dev/shm";

    /// <summary>Copies the mount of a process by its pidfd, from inside its mount namespace: its links lead nowhere else, and a mount is
    /// copied by members of its namespace alone (open_tree(2), EINVAL).</summary>
    internal static PlanStep Take(Slot process, string subject, Slot tree, System.Runtime.InteropServices.Architecture architecture)
    {
        Slot own = new("own-mounts"), root = new("own-root");
        StepArgument mounts = StepArgument.Flags((uint)NamespaceKinds.Mount, NamespaceKinds.Mount.CloneNames());
        return new PlanStep($"take {Path} of", subject,
        [
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, "/proc/self/ns/mnt",
                StepArgument.Flags(Fcntl.O_RDONLY | Fcntl.O_CLOEXEC, "O_RDONLY|O_CLOEXEC")) { Result = own },
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, "/",
                StepArgument.Flags(Fcntl.O_PATH | Fcntl.O_DIRECTORY(architecture) | Fcntl.O_CLOEXEC,
                    "O_PATH|O_DIRECTORY|O_CLOEXEC")) { Result = root },
            new SyscallStep(Syscall.setns, process, mounts),
            MountCalls.CloneTree(StepArgument.CurrentDirectory, Path, tree, follow: false),
            new SyscallStep(Syscall.setns, own, mounts),
            // Joining moves root and directory to those of the namespace, which a caller with another root would then be out of.
            new SyscallStep(Syscall.fchdir, root),
            new SyscallStep(Syscall.chroot, "."),
            new SyscallStep(Syscall.close, own),
            new SyscallStep(Syscall.close, root),
        ])
        {
            Hint = errno => errno switch
            {
                Errno.ENOENT => $"It has no {Path} that could be shared.",
                Errno.EPERM => "Joining needs CAP_SYS_ADMIN in the user namespace that owns it.",
                Errno.ESRCH => "The process has ended.",
                _ => null,
            },
        };
    }

    /// <summary>Attaches a copy in a /dev that has no shared memory of its own.</summary>
    /// <param name="taken">The copy; null for one of the host's, which may have none.</param>
    /// <param name="dev">The container's /dev.</param>
    internal static PlanStep Share(Slot? taken, Slot dev)
    {
        Slot tree = taken ?? new("host-shm");
        SyscallStep[] place =
        [
            new SyscallStep(Syscall.mkdirat, dev, "shm", StepArgument.Flags(0b111_101_101, "0755")),
            MountCalls.SetAttributes(tree, "", MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec, MountPropagation.Private,
                recursive: true),
            MountCalls.AttachAt(tree, dev, "shm"),
        ];
        if (taken is not null)
            return new PlanStep("share", Path, [.. place]);
        SyscallStep take = MountCalls.CloneTree(StepArgument.CurrentDirectory, Path, tree, recursive: true);
        return new PlanStep("share", $"the host's {Path}",
            [take with { Tolerated = [Errno.ENOENT], SkipOnTolerated = (sbyte)place.Length }, .. place]);
    }
}
