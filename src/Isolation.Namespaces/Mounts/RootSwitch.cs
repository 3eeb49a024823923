using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers the change of root: the new root is attached over the old one's root directory, then pivot_root(2) swaps them.</summary>
internal static class RootSwitch
{
    /// <summary>Stops mount events from travelling between the new mount namespace and the host. The first of all that attaches a
    /// mount.</summary>
    internal static PlanStep SetPropagation(MountPropagation propagation) =>
        new($"make all mounts {propagation.ToString().ToLowerInvariant()} in", "the new mount namespace",
            [MountCalls.SetAttributes(StepArgument.CurrentDirectory, "/", MountFlags.None, propagation, recursive: true)]);

    /// <summary>Attaches a tmpfs over the old root for upper layers and files from memory; it goes with the old root.</summary>
    internal static PlanStep Stage(Slot staging) => new("prepare memory for", "upper layers and files",
    [
        .. MountCalls.NewFileSystem("tmpfs", staging, MountFlags.NoSuid | MountFlags.NoDev, ("mode", "0755")),
        MountCalls.AttachAt(staging, StepArgument.CurrentDirectory, "/"),
    ]);

    /// <summary>Makes a directory of the host the new root.</summary>
    internal static PlanStep FromDirectory(string path, Slot root) => new("take as the root", MountSteps.Quote(path),
    [
        MountCalls.CloneTree(StepArgument.CurrentDirectory, path, root, recursive: true),
        MountCalls.SetAttributes(root, "", MountFlags.None, MountPropagation.Private, recursive: true),
        MountCalls.AttachAt(root, StepArgument.CurrentDirectory, "/"),
    ])
    {
        Hint = errno => RootHint(errno, path),
    };

    /// <summary>Makes a tree that the parent opened the new root.</summary>
    internal static PlanStep FromTree(string path, Slot root) => new("attach the root", MountSteps.Quote(path),
        [MountCalls.AttachAt(root, StepArgument.CurrentDirectory, "/")]);

    /// <summary>Makes an overlay the new root.</summary>
    internal static PlanStep FromOverlay(ImmutableArray<string> lower, string? upper, string? work, Slot root, MountContext context) =>
        new("lay the root over", string.Join(", ", lower.Select(MountSteps.Quote)),
        [
            .. OverlaySteps.Create(lower, upper, work, MountFlags.None, root, context),
            MountCalls.AttachAt(root, StepArgument.CurrentDirectory, "/"),
        ])
        {
            Hint = errno => errno == Errno.ENOENT ? RootHint(errno, lower[0]) : OverlaySteps.Hint(errno),
        };

    /// <summary>Makes the new root the root, and detaches the old one with all its mounts: nothing of it stays reachable.</summary>
    /// <param name="root">The new root's mount.</param>
    /// <param name="staged">Whether a staging tmpfs lies over the old root.</param>
    internal static PlanStep Switch(Slot root, bool staged)
    {
        // pivot_root(".", ".") leaves the old root mounted over the new one: man page, "pivot_root(".", ".")".
        var detach = new SyscallStep(Syscall.umount2, ".", StepArgument.Flags(MountAbi.MNT_DETACH, "MNT_DETACH"));
        return new PlanStep("switch to", "the new root",
        [
            new SyscallStep(Syscall.fchdir, root),
            new SyscallStep(Syscall.pivot_root, ".", "."),
            detach,
            .. staged ? [detach] : (ImmutableArray<SyscallStep>)[],
        ])
        {
            Hint = errno => errno switch
            {
                Errno.EINVAL => "The host's root is not a mount point that can be moved, as in an initramfs.",
                // Whoever made the mount namespace may: only a filter is left to refuse that.
                Errno.EPERM => "The seccomp filter of an outer container refuses it, as Docker's does with --cap-add SYS_ADMIN: "
                    + "start that with --security-opt seccomp=unconfined.",
                _ => null,
            },
        };
    }

    /// <summary>Makes the root mount read-only; mounts below it keep their own attributes.</summary>
    internal static PlanStep MakeReadOnly(Slot root) => new("make read-only", "the root",
        [MountCalls.SetAttributes(root, "", MountFlags.ReadOnly)]);

    internal static string? RootHint(Errno errno, string path) => errno switch
    {
        Errno.ENOENT => $"The root file system \"{path}\" does not exist.",
        Errno.ENOTDIR => $"The root file system \"{path}\" is not a directory.",
        Errno.EACCES => $"This user may not reach the root file system \"{path}\".",
        _ => null,
    };
}
