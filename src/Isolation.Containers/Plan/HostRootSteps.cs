using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers the host's root in a user namespace: a tmpfs with an overlay for each directory.</summary>
/// <remarks>The kernel clones no mount for an overlay whose other mounts it would uncover, and in a user namespace all of the host's are
/// locked in place. A directory that has some below it is bound with all of them, read-only.</remarks>
internal static class HostRootSteps
{
    private static readonly string[] s_ownMounts = ["proc", "sys", "dev"];
    private static readonly string[] s_inMemory = ["tmp", "run"];
    private const UnixFileMode DirectoryMode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute;

    internal static IEnumerable<PlanStep> Compose(ImmutableArray<HostRootEntry> entries, Slot root, MountContext context)
    {
        yield return new PlanStep("take as the root", "a file system in memory",
        [
            .. MountCalls.NewFileSystem("tmpfs", root, MountFlags.NoSuid | MountFlags.NoDev, ("mode", "0755")),
            MountCalls.AttachAt(root, StepArgument.CurrentDirectory, "/"),
        ]);
        foreach (HostRootEntry entry in entries)
        {
            if (entry.LinkTarget is { } target)
                yield return new PlanStep("link", MountSteps.Quote("/" + entry.Name),
                    [new SyscallStep(Syscall.symlinkat, target, root, entry.Name)]);
            else if (s_ownMounts.Contains(entry.Name))
                yield return new PlanStep("make directory", MountSteps.Quote("/" + entry.Name), [Make(root, entry.Name, DirectoryMode)]);
            else if (s_inMemory.Contains(entry.Name))
                yield return new PlanStep("make directory", MountSteps.Quote("/" + entry.Name),
                    [Make(root, entry.Name, new TmpfsMount("/").Mode)]);
            else
                yield return entry.HasMounts ? Bind(entry.Name, root) : Overlay(entry.Name, root, context);
        }
    }

    private static SyscallStep Make(Slot root, string name, UnixFileMode mode) =>
        new(Syscall.mkdirat, root, name, StepArgument.Flags((uint)mode, MountSteps.Octal(mode)));

    private static PlanStep Overlay(string name, Slot root, MountContext context)
    {
        Slot overlay = new("overlay-" + name);
        return new PlanStep("lay a directory over", MountSteps.Quote("/" + name),
        [
            Make(root, name, DirectoryMode),
            .. OverlaySteps.Create(["/" + name], null, null, MountFlags.NoSuid | MountFlags.NoDev, overlay, context),
            MountCalls.AttachAt(overlay, root, name),
        ])
        {
            Hint = OverlaySteps.Hint,
        };
    }

    private static PlanStep Bind(string name, Slot root)
    {
        Slot tree = new("bind-" + name);
        return new PlanStep("show read-only", MountSteps.Quote("/" + name),
        [
            Make(root, name, DirectoryMode),
            MountCalls.CloneTree(StepArgument.CurrentDirectory, "/" + name, tree, recursive: true),
            MountCalls.SetAttributes(tree, "", MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev,
                MountPropagation.Private, recursive: true),
            MountCalls.AttachAt(tree, root, name),
        ]);
    }
}
