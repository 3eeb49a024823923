using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Namespaces;

/// <summary>Something to mount inside a container's root: an immutable value.</summary>
/// <param name="Destination">An absolute path inside the root.
/// Links in it are followed, but never out of the root; missing directories are made.</param>
/// <param name="Flags">Attributes of the mount.</param>
public abstract record Mount(string Destination, MountFlags Flags)
{
    internal abstract string TypeName { get; }

    /// <summary>Whether a link at the destination is itself covered, not what it leads to, which may be nothing:
    /// for files that every container has.</summary>
    internal bool CoversLink { get; init; }
}

/// <summary>A file or directory of the host, seen inside. Like <c>mount --rbind</c>.</summary>
/// <param name="Source">An absolute path on the host.</param>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes, for the whole tree where it is recursive: a read-only bind has no writable mount below it.</param>
public sealed record BindMount(string Source, string Destination, MountFlags Flags = MountFlags.None) : Mount(Destination, Flags)
{
    /// <summary>Whether the mounts below the source come along.</summary>
    public bool Recursive { get; init; } = true;

    /// <summary>Whether later mounts of the host appear inside.</summary>
    public MountPropagation Propagation { get; init; } = MountPropagation.Private;

    /// <summary>Whether file owners are shifted by the container's id map (an idmapped mount), so that its root owns what the host's
    /// root owns. Since Linux 5.12, on file systems that support it. Needs a root caller.</summary>
    public bool IdMapped { get; init; }

    internal override string TypeName => "bind";
}

/// <summary>A file system in memory. See tmpfs(5).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount.</param>
public sealed record TmpfsMount(string Destination, MountFlags Flags = MountFlags.NoSuid | MountFlags.NoDev) : Mount(Destination, Flags)
{
    /// <summary>The most that it holds; null for half of the memory.</summary>
    public ByteSize? Size { get; init; }

    /// <summary>The most files that it holds; null for the kernel's default.</summary>
    public long? Inodes { get; init; }

    /// <summary>The permissions of its root directory.</summary>
    public UnixFileMode Mode { get; init; } = UnixFileMode.StickyBit
        | UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute
        | UnixFileMode.GroupRead | UnixFileMode.GroupWrite | UnixFileMode.GroupExecute
        | UnixFileMode.OtherRead | UnixFileMode.OtherWrite | UnixFileMode.OtherExecute;

    /// <summary>The user, by its number inside the container, that owns its root directory; null for the container's root. The option
    /// <c>uid</c> of tmpfs(5).</summary>
    public uint? UserId { get; init; }

    /// <summary>The group, by its number inside the container, that owns its root directory; null for the container's root. The option
    /// <c>gid</c> of tmpfs(5).</summary>
    public uint? GroupId { get; init; }

    internal override string TypeName => "tmpfs";
}

/// <summary>The processes of the container's PID namespace. See proc(5).</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
public sealed record ProcMount(string Destination = "/proc") : Mount(Destination, MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
{
    internal override string TypeName => "proc";
}

/// <summary>The devices and kernel settings of the container's network namespace. See sysfs(5).</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
/// <param name="Flags">Attributes of the mount; read-only by default.</param>
public sealed record SysfsMount(string Destination = "/sys",
    MountFlags Flags = MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "sysfs";
}

/// <summary>A /dev of its own in memory: null, zero, full, random, urandom, tty, with pts,
/// shm and mqueue below it and the usual links.</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
public sealed record DevMount(string Destination = "/dev") : Mount(Destination, MountFlags.NoSuid)
{
    /// <summary>The most that its shm holds.</summary>
    public ByteSize ShmSize { get; init; } = ByteSize.FromMebibytes(64);

    /// <summary>Whether it has pseudo-terminals in pts.</summary>
    public bool HasPts { get; init; } = true;

    /// <summary>Whether it has shared memory in shm: its own, or that of whom it shares its IPC namespace with, the host or a
    /// process.</summary>
    public bool HasShm { get; init; } = true;

    /// <summary>Whether it has message queues in mqueue.</summary>
    public bool HasMqueue { get; init; } = true;

    internal override string TypeName => "dev";
}

/// <summary>POSIX message queues of the container's IPC namespace. See mq_overview(7).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
public sealed record MqueueMount(string Destination = "/dev/mqueue")
    : Mount(Destination, MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
{
    internal override string TypeName => "mqueue";
}

/// <summary>Pseudo-terminals of its own, a new instance. See pts(4).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
public sealed record DevptsMount(string Destination = "/dev/pts") : Mount(Destination, MountFlags.NoSuid | MountFlags.NoExec)
{
    internal override string TypeName => "devpts";
}

/// <summary>The version 2 cgroup tree, from the container's cgroup namespace down. See cgroups(7).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount; read-only by default.</param>
public sealed record Cgroup2Mount(string Destination = "/sys/fs/cgroup",
    MountFlags Flags = MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "cgroup2";
}

/// <summary>Directories of the host laid over each other; changes go to the upper one. See the kernel's overlayfs document.</summary>
/// <param name="LowerDirectories">Absolute paths on the host, the topmost first.</param>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount.</param>
public sealed record OverlayMount(ImmutableArray<string> LowerDirectories, string Destination, MountFlags Flags = MountFlags.None)
    : Mount(Destination, Flags)
{
    /// <summary>Where changes go: an absolute path on the host; null keeps them in memory and throws them away.</summary>
    public string? UpperDirectory { get; init; }

    /// <summary>An empty directory on the same file system as the upper one; null exactly where that is null.</summary>
    public string? WorkDirectory { get; init; }

    internal override string TypeName => "overlay";

    /// <inheritdoc/>
    public bool Equals(OverlayMount? other) => other is not null && base.Equals(other) && UpperDirectory == other.UpperDirectory
        && WorkDirectory == other.WorkDirectory && LowerDirectories.AsSpan().SequenceEqual(other.LowerDirectories.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), UpperDirectory, WorkDirectory, LowerDirectories.Length);
}

/// <summary>A file from memory, seen inside: a configuration or a secret that is on no disk.</summary>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Content">The bytes.</param>
/// <param name="Mode">Its permissions.</param>
public sealed record FileMount(string Destination, ImmutableArray<byte> Content,
    UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead)
    : Mount(Destination, MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev)
{
    internal override string TypeName => "file";

    /// <inheritdoc/>
    public bool Equals(FileMount? other) => other is not null && base.Equals(other) && Mode == other.Mode
        && Content.AsSpan().SequenceEqual(other.Content.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Mode, Content.Length);
}

/// <summary>A device of the host, seen inside under the same or another name.</summary>
/// <param name="Source">An absolute path on the host, of a device node.</param>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount; read-only lets the device be opened for reading only.</param>
public sealed record DeviceMount(string Source, string Destination, MountFlags Flags = MountFlags.NoSuid | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "device";
}
