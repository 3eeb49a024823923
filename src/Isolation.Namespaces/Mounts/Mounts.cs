using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Mounts outside of a container: in a mount namespace of one's own, or in one that is there
/// already. See mount_namespaces(7).</summary>
/// <example><code>
/// using LinuxThread inside = Namespace.Unshare(NamespaceKinds.Mount);
/// inside.Invoke(() => Mounts.Apply(new TmpfsMount("/mnt"), new BindMount("/srv/data", "/mnt/data", MountFlags.ReadOnly)));
/// </code></example>
public static class Mounts
{
    // The initial user namespace has this number on every host: linux/nsfs.h, PROC_USER_INIT_INO.
    private const string InitialUserNamespace = "user:[4026531837]";

    /// <summary>Mounts in the calling thread's mount namespace, in order.</summary>
    /// <remarks>Scope: all that share the namespace, so this is for a thread of <see cref="Namespace.Unshare"/>; elsewhere they are the
    /// process's, or the host's, own mounts. Destinations are resolved as in a container. The calls are made by a child of the thread, with
    /// its privileges; needs <c>CAP_SYS_ADMIN</c>.</remarks>
    /// <param name="mounts">What is mounted. Not <see cref="FileMount"/>, nor an overlay without an upper directory:
    /// they need a container.</param>
    /// <exception cref="LinuxException">One failed; those before it stand. <c>EPERM</c>: no <c>CAP_SYS_ADMIN</c>.</exception>
    /// <exception cref="ArgumentException">A mount that needs a container.</exception>
    public static void Apply(params IReadOnlyCollection<Mount> mounts) => StepChild.Run(Lower(mounts));

    /// <summary>Mounts in another mount namespace, in order. All paths are of its root.</summary>
    /// <remarks>setns(2), in a child that makes system calls alone: no code of this process runs in that root,
    /// and none is loaded from there.</remarks>
    /// <param name="target">The mount namespace.</param>
    /// <param name="mounts">As for <see cref="Apply"/>.</param>
    /// <exception cref="LinuxException">One failed; those before it stand.
    /// <c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> in the user namespace that owns it.</exception>
    /// <exception cref="ArgumentException">Not a mount namespace, or a mount that needs a container.</exception>
    public static void ApplyIn(Namespace target, params IReadOnlyCollection<Mount> mounts)
    {
        ArgumentNullException.ThrowIfNull(target);
        if (target.Kind != NamespaceKinds.Mount)
            throw new ArgumentException($"{target} is not a mount namespace.", nameof(target));
        using Borrow file = new(target.Handle);
        PlanStep enter = new("enter", target.ToString(),
            [new SyscallStep(Syscall.setns, file.Number, StepArgument.Flags((uint)NamespaceKinds.Mount, "CLONE_NEWNS"))]);
        StepChild.Run([enter, .. Lower(mounts)]);
    }

    private static PlanStep[] Lower(IReadOnlyCollection<Mount> mounts)
    {
        ArgumentNullException.ThrowIfNull(mounts);
        foreach (Mount mount in mounts)
        {
            ArgumentNullException.ThrowIfNull(mount, nameof(mounts));
            if (mount is FileMount or OverlayMount { UpperDirectory: null })
                throw new ArgumentException($"The {mount.TypeName} on \"{mount.Destination}\" is kept in memory that only a container has.",
                    nameof(mounts));
            if (!mount.Destination.StartsWith('/') || mount.Destination.Contains('\0', StringComparison.Ordinal))
                throw new ArgumentException(
                    $"The destination \"{mount.Destination.Replace("\0", "\\0", StringComparison.Ordinal)}\" is not an absolute path.",
                    nameof(mounts));
            if (mount is BindMount { IdMapped: true })
                throw new ArgumentException($"The bind-mount on \"{mount.Destination}\" is shifted by an id map that only a container has.",
                    nameof(mounts));
        }

        bool initial = new FileInfo("/proc/self/ns/user").LinkTarget == InitialUserNamespace;
        Slot root = new("root");
        var architecture = System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture;
        var context = new MountContext(new InRoot(root, architecture), CanMakeNodes: initial, TerminalGroup: initial ? 5 : null,
            InUserNamespace: !initial, HasOwnIpc: initial, Staging: null);
        PlanStep open = new("open", "\"/\"", [new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, "/",
            StepArgument.Flags(Fcntl.O_PATH | Fcntl.O_CLOEXEC | Fcntl.O_DIRECTORY(architecture), "O_PATH|O_DIRECTORY|O_CLOEXEC"))
            {
                Result = root
            }]);
        return [open, .. mounts.Select(m => MountSteps.Lower(m, context))];
    }
}
