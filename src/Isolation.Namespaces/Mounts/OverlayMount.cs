using System.Collections.Immutable;

namespace Isolation.Namespaces;

/// <summary>Directories of the host laid over each other; changes go to the upper one. See the kernel's overlayfs document.</summary>
/// <example><code>
/// builder = builder.AddMount(new OverlayMount(["/srv/packages"], "/packages")
///     { UpperDirectory = "/srv/17/upper", WorkDirectory = "/srv/17/work" });
/// </code></example>
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
