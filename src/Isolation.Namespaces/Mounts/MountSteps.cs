using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>What mounts need to know of the launch around them.</summary>
/// <param name="Paths">Resolves paths inside the new root.</param>
/// <param name="CanMakeNodes">Whether the child may make device nodes: not in a user namespace.</param>
/// <param name="TerminalGroup">The group that owns pseudo-terminals; null where it is not mapped.</param>
/// <param name="InUserNamespace">Whether the mount namespace belongs to a new user namespace.</param>
/// <param name="HasOwnIpc">Whether message queues can be mounted: the IPC namespace belongs to the container's user namespace.</param>
/// <param name="Staging">A tmpfs outside the new root, attached, for upper layers and files from
/// memory; null where nothing needs it.</param>
internal sealed record MountContext(InRoot Paths, bool CanMakeNodes, uint? TerminalGroup, bool InUserNamespace,
    bool HasOwnIpc, Slot? Staging)
{
    /// <summary>The mounted /dev, once there is one: the source of the null device for masks.</summary>
    internal Slot? Dev { get; set; }

    /// <summary>The mounted proc, once there is one: what process settings are written through.</summary>
    internal Slot? Proc { get; set; }

    /// <summary>The empty tmpfs that covers masked directories, once one has been met.</summary>
    internal Slot Empty { get; } = new("empty");

    /// <summary>Trees that the parent opened, with their attributes set, by their mounts.</summary>
    internal Dictionary<BindMount, Slot> OpenedTrees { get; } = [];

    /// <summary>The SELinux context of file systems that are made for the container; null lets the policy choose.</summary>
    internal string? Label { get; init; }

    /// <summary>The running kernel.</summary>
    internal KernelVersion Kernel { get; init; }

    /// <summary>Numbers the files and layers in the staging tmpfs.</summary>
    internal int StagingCount { get; set; }

    /// <summary>Options of a file system that takes a label, with the label.</summary>
    internal (string Key, string? Value)[] Labelled(params ReadOnlySpan<(string, string?)> options) =>
        Label is null ? [.. options] : [.. options, ("context", Label)];
}

/// <summary>Lowers mounts to steps.</summary>
internal static class MountSteps
{
    internal static PlanStep Lower(Mount mount, MountContext context) => mount switch
    {
        BindMount bind => Bind(bind, context),
        TmpfsMount tmpfs => Tmpfs(tmpfs, context),
        ProcMount proc => Proc(proc, context),
        SysfsMount sysfs => Pseudo("sysfs", sysfs, context, InRoot.NoLinks),
        DevMount dev => DevSteps.Lower(dev, context),
        MqueueMount mqueue => Pseudo("mqueue", mqueue, context, InRoot.Follow),
        DevptsMount devpts => Pseudo("devpts", devpts, context, InRoot.Follow, DevSteps.DevptsOptions(context)),
        Cgroup2Mount cgroup => Pseudo("cgroup2", cgroup, context, InRoot.NoLinks),
        OverlayMount overlay => Overlay(overlay, context),
        FileMount file => InjectedFile(file, context),
        DeviceMount device => OnFile($"mount device \"{device.Source}\" on", device, device.Source, context),
        _ => throw new System.Diagnostics.UnreachableException(),
    };

    /// <summary>Hides a path of the new root: a file behind the null device, a directory behind an empty read-only one.
    /// One that does not exist is left.</summary>
    internal static PlanStep Mask(string path, MountContext context)
    {
        Slot target = new("masked"), directory = new("directory"), device = new("null");
        // The null device of our own /dev tmpfs, which no image can have replaced; the host's where there is none.
        ImmutableArray<SyscallStep> coverFile =
        [
            context.Dev is { } dev
                ? MountCalls.CloneTree(dev, "null", device, follow: false)
                : MountCalls.CloneTree(StepArgument.CurrentDirectory, "/dev/null", device, follow: false),
            MountCalls.Attach(device, target),
        ];
        ImmutableArray<SyscallStep> coverDirectory = CoverDirectory(target, context, over: coverFile.Length);
        return new PlanStep("mask", Quote(path),
        [
            context.Paths.Open(path,
                target) with { Tolerated = [Errno.ENOENT], SkipOnTolerated = (sbyte)(1 + coverDirectory.Length + coverFile.Length) },
            context.Paths.OpenAsDirectory(target) with
            {
                Result = directory,
                Tolerated = [Errno.ENOTDIR],
                SkipOnTolerated = (sbyte)coverDirectory.Length,
            },
            .. coverDirectory,
            .. coverFile,
        ])
        {
            Hint = errno => InRoot.Hint(errno, path),
        };
    }

    /// <summary>Covers a directory with an empty read-only tmpfs: one for the first, copies of its mount for the others.</summary>
    private static ImmutableArray<SyscallStep> CoverDirectory(Slot target, MountContext context, int over)
    {
        Slot copy = new("empty-copy");
        ImmutableArray<SyscallStep> make = MountCalls.NewFileSystem("tmpfs", context.Empty,
            MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec,
            ("size", "0"), ("nr_inodes", "1"), ("mode", "0555"));
        return
        [
            // Attached already if an earlier path was a directory: then the copy succeeds.
            MountCalls.CloneTree(context.Empty, "", copy) with { Tolerated = [Errno.EBADF], SkipOnSuccess = (sbyte)(make.Length + 1) },
            .. make,
            MountCalls.Attach(context.Empty, target) with { SkipOnSuccess = (sbyte)(1 + over) },
            MountCalls.Attach(copy, target) with { SkipOnSuccess = (sbyte)over },
        ];
    }

    /// <summary>Makes a path of the new root read-only, with all below it. One that does not exist is left.</summary>
    internal static PlanStep ReadOnlyPath(string path, MountContext context)
    {
        Slot target = new("target"), tree = new("tree");
        return new PlanStep("make read-only", Quote(path),
        [
            context.Paths.Open(path, target) with { Tolerated = [Errno.ENOENT], SkipOnTolerated = 3 },
            MountCalls.CloneTree(target, "", tree, recursive: true),
            MountCalls.SetAttributes(tree, "", MountFlags.ReadOnly, recursive: true),
            MountCalls.Attach(tree, target),
        ])
        {
            Hint = errno => InRoot.Hint(errno, path),
        };
    }

    internal static string Quote(string text) => "\"" + text + "\"";

    internal static string Octal(UnixFileMode mode) => Convert.ToString((int)mode, 8).PadLeft(4, '0');

    private static PlanStep Bind(BindMount bind, MountContext context)
    {
        bool opened = context.OpenedTrees.TryGetValue(bind, out Slot? tree);
        tree ??= new("bind");
        Slot target = new("target");
        ImmutableArray<SyscallStep> onDirectory = context.Paths.EnsureDirectory(bind.Destination, target);
        ImmutableArray<SyscallStep> onFile = context.Paths.EnsureFile(bind.Destination, target, bind.CoversLink);
        Slot probe = new("source-directory");
        // Whether the source is a directory decides what is made at the destination.
        ImmutableArray<SyscallStep> place =
        [
            context.Paths.OpenAsDirectory(tree) with
            {
                Result = probe,
                Tolerated = [Errno.ENOTDIR],
                SkipOnTolerated = checked((sbyte)(onDirectory.Length + 2)),
            },
            new SyscallStep(Syscall.close, probe),
            .. Jump(onDirectory, over: onFile.Length),
            .. onFile,
        ];
        return new PlanStep($"bind-mount {Quote(bind.Source)} on", Quote(bind.Destination),
        [
            .. opened ? (ImmutableArray<SyscallStep>)[] : OpenSource(bind, tree, idMap: null),
            .. place,
            MountCalls.Attach(tree, target),
        ])
        {
            Hint = errno => InRoot.Hint(errno, bind.Destination),
        };
    }

    /// <summary>Copies the source's tree and sets the mount's attributes on the copy.</summary>
    internal static ImmutableArray<SyscallStep> OpenSource(BindMount bind, Slot tree, Slot? idMap) =>
    [
        MountCalls.CloneTree(StepArgument.CurrentDirectory, bind.Source, tree, bind.Recursive) with { Hint = errno => BindHint(errno,
            bind.Source) },
        MountCalls.SetAttributes(tree, "", bind.Flags, bind.Propagation, bind.Recursive, idMap) with { Hint = errno => BindHint(errno,
            bind.Source) },
    ];

    internal static string? BindHint(Errno errno, string source) => errno switch
    {
        Errno.ENOENT => $"The source \"{source}\" does not exist on the host.",
        Errno.EACCES => $"This user may not reach the source \"{source}\".",
        Errno.EPERM => "In a user namespace, attributes that the source's own mount has (ro, nosuid, nodev, noexec) cannot be taken away.",
        _ => null,
    };

    /// <summary>Ends a branch with a step that always goes on past another branch.</summary>
    private static ImmutableArray<SyscallStep> Jump(ImmutableArray<SyscallStep> branch, int over) =>
        [.. branch, new SyscallStep(Syscall.getpid) { SkipOnSuccess = checked((sbyte)over) }];

    private static PlanStep Tmpfs(TmpfsMount mount, MountContext context)
    {
        Slot tmpfs = new("tmpfs"), target = new("target");
        var options = new List<(string, string?)> { ("mode", Octal(mount.Mode)) };
        if (mount.Size is { } size)
            options.Add(("size", size.ToString()));
        if (mount.Inodes is { } inodes)
            options.Add(("nr_inodes", Number(inodes)));
        if (mount.UserId is { } user)
            options.Add(("uid", Number(user)));
        if (mount.GroupId is { } group)
            options.Add(("gid", Number(group)));
        return new PlanStep("mount tmpfs on", Quote(mount.Destination),
        [
            .. MountCalls.NewFileSystem("tmpfs", tmpfs, mount.Flags, context.Labelled([.. options])),
            .. context.Paths.EnsureDirectory(mount.Destination, target),
            MountCalls.Attach(tmpfs, target),
        ])
        {
            Hint = errno => errno == Errno.EINVAL && (mount.UserId ?? mount.GroupId) is not null
                ? "Its owner must be an id that the container's user namespace maps." : InRoot.Hint(errno, mount.Destination),
        };
    }

    private static PlanStep Proc(ProcMount mount, MountContext context)
    {
        Slot proc = new("proc"), target = new("target");
        context.Proc ??= proc;
        return new PlanStep("mount proc on", Quote(mount.Destination),
        [
            .. MountCalls.NewFileSystem("proc", proc, mount.Flags),
            .. context.Paths.EnsureDirectory(mount.Destination, target, InRoot.NoLinks),
            MountCalls.Attach(proc, target),
        ])
        {
            Hint = errno => errno == Errno.EPERM
                ? "A new proc needs a PID namespace of its own and, in a user namespace, a host proc with nothing mounted over its files, "
                    + "which an outer container often has: start that with --security-opt systempaths=unconfined (Docker), "
                    + "unmask=ALL (Podman) or --privileged."
                : InRoot.Hint(errno, mount.Destination),
        };
    }

    private static PlanStep Pseudo(string type, Mount mount, MountContext context, ulong resolve,
        params ReadOnlySpan<(string Key, string? Value)> options)
    {
        Slot file = new(type), target = new("target");
        return new PlanStep($"mount {type} on", Quote(mount.Destination),
        [
            .. MountCalls.NewFileSystem(type, file, mount.Flags, options),
            .. context.Paths.EnsureDirectory(mount.Destination, target, resolve),
            MountCalls.Attach(file, target),
        ])
        {
            Hint = errno => errno == Errno.EPERM
                ? $"A new {type} needs the namespace that it shows to belong to the container's user namespace"
                    + (type == "sysfs" ? " and, in a user namespace, a host /sys with nothing mounted over its files: start an outer "
                        + "container that has it otherwise with --privileged." : ".")
                : InRoot.Hint(errno, mount.Destination),
        };
    }

    private static PlanStep Overlay(OverlayMount mount, MountContext context)
    {
        Slot overlay = new("overlay"), target = new("target");
        return new PlanStep("mount overlay on", Quote(mount.Destination),
        [
            .. OverlaySteps.Create(mount.LowerDirectories, mount.UpperDirectory, mount.WorkDirectory, mount.Flags, overlay, context),
            .. context.Paths.EnsureDirectory(mount.Destination, target),
            MountCalls.Attach(overlay, target),
        ])
        {
            Hint = errno => OverlaySteps.Hint(errno) ?? InRoot.Hint(errno, mount.Destination),
        };
    }

    private static PlanStep InjectedFile(FileMount mount, MountContext context)
    {
        Slot staging = context.Staging ?? throw new System.Diagnostics.UnreachableException();
        string name = "file" + Number(context.StagingCount++);
        Slot file = new("file"), tree = new("tree"), target = new("target");
        return new PlanStep("put file", Quote(mount.Destination),
        [
            new SyscallStep(Syscall.openat, staging, name,
                StepArgument.Flags(Fcntl.O_CREAT | Fcntl.O_EXCL | Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, "O_CREAT|O_EXCL|O_WRONLY|O_CLOEXEC"),
                StepArgument.Flags((uint)mount.Mode, Octal(mount.Mode))) { Result = file },
            new SyscallStep(Syscall.write, file, StepArgument.Bytes(mount.Content.AsSpan(), $"[{mount.Content.Length} bytes]"),
                mount.Content.Length),
            .. mount.UserId is null && mount.GroupId is null ? (ImmutableArray<SyscallStep>)[]
                : [new SyscallStep(Syscall.fchown, file, mount.UserId ?? 0, mount.GroupId ?? 0)],
            new SyscallStep(Syscall.close, file),
            MountCalls.CloneTree(staging, name, tree, follow: false),
            MountCalls.SetAttributes(tree, "", mount.Flags),
            .. context.Paths.EnsureFile(mount.Destination, target, mount.CoversLink),
            MountCalls.Attach(tree, target),
        ])
        {
            Hint = errno => InRoot.FileHint(errno, mount.Destination),
        };
    }

    private static PlanStep OnFile(string action, Mount mount, string source, MountContext context)
    {
        Slot tree = new("device"), target = new("target");
        return new PlanStep(action, Quote(mount.Destination),
        [
            MountCalls.CloneTree(StepArgument.CurrentDirectory, source, tree) with { Hint = errno => BindHint(errno, source) },
            MountCalls.SetAttributes(tree, "", mount.Flags, MountPropagation.Private),
            .. context.Paths.EnsureFile(mount.Destination, target),
            MountCalls.Attach(tree, target),
        ])
        {
            Hint = errno => InRoot.Hint(errno, mount.Destination),
        };
    }

    private static string Number(long value) => value.ToString(CultureInfo.InvariantCulture);
}
