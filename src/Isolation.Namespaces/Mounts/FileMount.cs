using System.Collections.Immutable;

namespace Isolation.Namespaces;

/// <summary>A file from memory, seen inside: a configuration or a secret that is on no disk.</summary>
/// <example><code>builder = builder.AddMount(new FileMount("/etc/app.conf", [.. "level = 3\n"u8], UnixFileMode.UserRead));</code></example>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Content">The bytes.</param>
/// <param name="Mode">Its permissions.</param>
public sealed record FileMount(string Destination, ImmutableArray<byte> Content,
    UnixFileMode Mode = UnixFileMode.UserRead | UnixFileMode.GroupRead | UnixFileMode.OtherRead)
    : Mount(Destination, MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev)
{
    /// <summary>The user, by its number inside the container, that owns it; null for the container's root.</summary>
    public uint? UserId { get; init; }

    /// <summary>The group, by its number inside the container, that owns it; null for the container's root.</summary>
    public uint? GroupId { get; init; }

    internal override string TypeName => "file";

    /// <inheritdoc/>
    public bool Equals(FileMount? other) => other is not null && base.Equals(other) && Mode == other.Mode
        && UserId == other.UserId && GroupId == other.GroupId
        && Content.AsSpan().SequenceEqual(other.Content.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Mode, UserId, GroupId, Content.Length);
}
