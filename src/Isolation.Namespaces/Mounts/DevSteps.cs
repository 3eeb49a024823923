using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>Lowers a container's own /dev. Everything is made through the descriptor of our own tmpfs, out of the image's reach.</summary>
internal static class DevSteps
{
    private static readonly (string Name, uint Major, uint Minor)[] s_nodes =
    [
        ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
    ];

    private static readonly (string Target, string Name)[] s_links =
    [
        ("/proc/self/fd", "fd"), ("/proc/self/fd/0", "stdin"), ("/proc/self/fd/1", "stdout"),
        ("/proc/self/fd/2", "stderr"), ("pts/ptmx", "ptmx"),
    ];

    internal static PlanStep Lower(DevMount mount, MountContext context)
    {
        Slot dev = new("dev"), target = new("target");
        context.Dev ??= dev;
        return new PlanStep("set up devices in", MountSteps.Quote(mount.Destination),
        [
            .. MountCalls.NewFileSystem("tmpfs", dev, MountFlags.NoSuid, context.Labelled(("mode", "0755"), ("size", "65536k"))),
            .. context.Paths.EnsureDirectory(mount.Destination, target, InRoot.NoLinks),
            MountCalls.Attach(dev, target),
            .. s_nodes.SelectMany(n => context.CanMakeNodes ? MakeNode(dev, n) : BindNode(dev, n.Name)),
            .. s_links.Select(l => new SyscallStep(Syscall.symlinkat, l.Target, dev, l.Name)),
            .. mount.HasPts
                ? Below(dev, "pts", MountCalls.NewFileSystem("devpts", new("pts"), MountFlags.NoSuid | MountFlags.NoExec,
                    context.Labelled(DevptsOptions(context))))
                : [],
            .. mount.HasShm
                ? Below(dev, "shm", MountCalls.NewFileSystem("tmpfs", new("shm"), MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec,
                    context.Labelled(("mode", "1777"), ("size", mount.ShmSize.ToString())))) : [],
            .. mount.HasMqueue && context.HasOwnIpc
                ? Below(dev, "mqueue",
                    MountCalls.NewFileSystem("mqueue", new("mqueue"), MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)) : [],
        ])
        {
            Hint = errno => errno == Errno.ENOENT && !context.CanMakeNodes
                ? $"In a user namespace no node can be made, and this /dev lacks one of {string.Join(", ", s_nodes.Select(n => n.Name))}: "
                    + "give the outer container a /dev with all of them."
                : InRoot.Hint(errno, mount.Destination),
        };
    }

    internal static (string, string?)[] DevptsOptions(MountContext context) => context.TerminalGroup is { } group
        ? [("newinstance", null), ("ptmxmode", "0666"), ("mode", "0620"), ("gid", group.ToString(CultureInfo.InvariantCulture))]
        : [("newinstance", null), ("ptmxmode", "0666"), ("mode", "0620")];

    /// <summary>Makes a directory in our tmpfs and attaches a new mount there.</summary>
    private static ImmutableArray<SyscallStep> Below(Slot dev, string name, ImmutableArray<SyscallStep> mount) =>
    [
        new SyscallStep(Syscall.mkdirat, dev, name, StepArgument.Flags(0b111_101_101, "0755")),
        .. mount,
        MountCalls.AttachAt(mount[^1].Result!, dev, name),
    ];

    private static ImmutableArray<SyscallStep> MakeNode(Slot dev, (string Name, uint Major, uint Minor) node) =>
    [
        new SyscallStep(Syscall.mknodat, dev, node.Name, StepArgument.Flags(Fcntl.S_IFCHR | 0b110_110_110, "S_IFCHR|0666"),
            StepArgument.Flags(node.Major << 8 | node.Minor, $"makedev({node.Major}, {node.Minor})")),
    ];

    // In a user namespace nodes cannot be made; the host's are seen instead.
    private static ImmutableArray<SyscallStep> BindNode(Slot dev, string name)
    {
        Slot node = new("host-" + name);
        return
        [
            new SyscallStep(Syscall.mknodat, dev, name, StepArgument.Flags(Fcntl.S_IFREG | 0b110_110_110, "S_IFREG|0666"), 0),
            MountCalls.CloneTree(StepArgument.CurrentDirectory, "/dev/" + name, node, follow: false),
            MountCalls.AttachAt(node, dev, name),
        ];
    }
}
