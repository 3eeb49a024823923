using Isolation.Linux;

namespace Isolation.Namespaces;

/// <summary>A file system in memory. See tmpfs(5).</summary>
/// <example><code>builder = builder.AddMount(new TmpfsMount("/tmp") { Size = ByteSize.FromMebibytes(64) });</code></example>
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
