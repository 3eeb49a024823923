using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Namespaces;

/// <summary>The calls of the descriptor-based mount interface as steps.
/// See fsopen(2), open_tree(2), move_mount(2), mount_setattr(2).</summary>
internal static class MountCalls
{
    /// <summary>Makes a detached mount of a new file system.</summary>
    internal static ImmutableArray<SyscallStep> NewFileSystem(string type, Slot mount, MountFlags flags,
        params ReadOnlySpan<(string Key, string? Value)> options)
    {
        Slot context = new(type + "-context");
        var steps = ImmutableArray.CreateBuilder<SyscallStep>();
        steps.Add(new SyscallStep(Syscall.fsopen, type, StepArgument.Flags(MountAbi.FSOPEN_CLOEXEC, "FSOPEN_CLOEXEC"))
        {
            Result = context
        });
        foreach ((string key, string? value) in options)
            steps.Add(Configure(context, key, value));
        steps.Add(new SyscallStep(Syscall.fsconfig, context, StepArgument.Flags(MountAbi.FSCONFIG_CMD_CREATE, "FSCONFIG_CMD_CREATE"),
            StepArgument.Null, StepArgument.Null, 0));
        steps.Add(new SyscallStep(Syscall.fsmount, context, StepArgument.Flags(MountAbi.FSMOUNT_CLOEXEC, "FSMOUNT_CLOEXEC"),
            AttributeWord(flags))
        { Result = mount });
        return steps.ToImmutable();
    }

    /// <summary>Copies a mounted tree, detached. See open_tree(2), <c>OPEN_TREE_CLONE</c>.</summary>
    internal static SyscallStep CloneTree(StepArgument directory, string path, Slot mount, bool recursive = false, bool follow = true)
    {
        uint flags = MountAbi.OPEN_TREE_CLONE | MountAbi.OPEN_TREE_CLOEXEC | (recursive ? Fcntl.AT_RECURSIVE : 0)
            | (path.Length == 0 ? Fcntl.AT_EMPTY_PATH : 0) | (follow ? 0 : Fcntl.AT_SYMLINK_NOFOLLOW);
        string names = "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC" + (recursive ? "|AT_RECURSIVE" : "") + (path.Length == 0 ? "|AT_EMPTY_PATH" : "")
            + (follow ? "" : "|AT_SYMLINK_NOFOLLOW");
        return new SyscallStep(Syscall.open_tree, directory, path, StepArgument.Flags(flags, names)) { Result = mount };
    }

    /// <summary>Attaches a detached mount on an open file or directory.</summary>
    internal static SyscallStep Attach(Slot mount, Slot target) => new(Syscall.move_mount, mount, "", target, "",
        StepArgument.Flags(MountAbi.MOVE_MOUNT_F_EMPTY_PATH | MountAbi.MOVE_MOUNT_T_EMPTY_PATH,
            "MOVE_MOUNT_F_EMPTY_PATH|MOVE_MOUNT_T_EMPTY_PATH"));

    /// <summary>Attaches a detached mount at a path below a directory of our own making.</summary>
    internal static SyscallStep AttachAt(Slot mount, StepArgument directory, string path) => new(Syscall.move_mount,
        mount, "", directory, path,
        StepArgument.Flags(MountAbi.MOVE_MOUNT_F_EMPTY_PATH, "MOVE_MOUNT_F_EMPTY_PATH"));

    /// <summary>Changes attributes and propagation of a mount or a tree.</summary>
    internal static SyscallStep SetAttributes(StepArgument mount, string path, MountFlags flags, MountPropagation? propagation = null,
        bool recursive = false, Slot? userNamespace = null)
    {
        ulong set = AttributeBits(flags) | (userNamespace is null ? 0 : MountAbi.MOUNT_ATTR_IDMAP);
        ulong clear = (set & MountAbi.MOUNT_ATTR__ATIME) != 0 ? MountAbi.MOUNT_ATTR__ATIME : 0;
        ulong propagate = propagation switch
        {
            MountPropagation.Private => MountAbi.MS_PRIVATE,
            MountPropagation.Slave => MountAbi.MS_SLAVE,
            MountPropagation.Shared => MountAbi.MS_SHARED,
            MountPropagation.Unbindable => MountAbi.MS_UNBINDABLE,
            _ => 0,
        };
        string text = $"{{set={AttributeNames(flags)}{(userNamespace is null ? "" : "|IDMAP, userns=" + userNamespace)}"
            + $"{(propagation is { } p ? $", propagation=MS_{p.ToString().ToUpperInvariant()}" : "")}}}";
        var words = (DataArgument)StepArgument.Words(text, set, clear, propagate, userNamespace is null ? 0 : ulong.MaxValue);
        StepArgument attributes = userNamespace is null ? words : words with { Slots = [(24, userNamespace)] };
        uint at = (recursive ? Fcntl.AT_RECURSIVE : 0) | (path.Length == 0 ? Fcntl.AT_EMPTY_PATH : 0);
        string names = string.Join('|',
            new[] { recursive ? "AT_RECURSIVE" : null, path.Length == 0 ? "AT_EMPTY_PATH" : null }.OfType<string>());
        return new SyscallStep(Syscall.mount_setattr, mount, path, StepArgument.Flags(at, names.Length == 0 ? "0" : names), attributes,
            MountAbi.MOUNT_ATTR_SIZE_VER0);
    }

    private static SyscallStep Configure(Slot context, string key, string? value) => value is null
        ? new SyscallStep(Syscall.fsconfig, context, StepArgument.Flags(MountAbi.FSCONFIG_SET_FLAG, "FSCONFIG_SET_FLAG"),
            key, StepArgument.Null, 0)
        : new SyscallStep(Syscall.fsconfig, context,
            StepArgument.Flags(MountAbi.FSCONFIG_SET_STRING, "FSCONFIG_SET_STRING"), key, value, 0);

    private static StepArgument AttributeWord(MountFlags flags) => StepArgument.Flags(AttributeBits(flags), AttributeNames(flags));

    private static ulong AttributeBits(MountFlags flags) => (ulong)flags;

    private static string AttributeNames(MountFlags flags) => flags == MountFlags.None ? "0"
        : string.Join('|', Enum.GetValues<MountFlags>().Where(f => f != 0 && flags.HasFlag(f))
            .Select(f => f == MountFlags.ReadOnly ? "MOUNT_ATTR_RDONLY" : "MOUNT_ATTR_" + f.ToString().ToUpperInvariant()));
}
