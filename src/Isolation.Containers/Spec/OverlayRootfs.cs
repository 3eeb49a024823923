using System.Collections.Immutable;

namespace Isolation.Containers;

/// <summary>Directories of the host laid over each other as the root. See the kernel's overlayfs document.</summary>
/// <example><code>
/// var root = new OverlayRootfs(["/srv/layers/app", "/srv/layers/debian"])
/// {
///     UpperDirectory = "/srv/17/upper",
///     WorkDirectory = "/srv/17/work", // empty, on the same file system
/// };
/// </code></example>
/// <param name="LowerDirectories">Absolute paths, the topmost first.</param>
public sealed record OverlayRootfs(ImmutableArray<string> LowerDirectories) : Rootfs
{
    /// <summary>Where changes go: an absolute path; null keeps them in memory and throws them away.</summary>
    public string? UpperDirectory { get; init; }

    /// <summary>An empty directory on the same file system as the upper one; null exactly where that is null.</summary>
    public string? WorkDirectory { get; init; }

    internal override ImmutableArray<string> Layers => UpperDirectory is null ? LowerDirectories : [UpperDirectory, .. LowerDirectories];

    internal override bool WritesThrough => UpperDirectory is not null;

    /// <inheritdoc/>
    public bool Equals(OverlayRootfs? other) => other is not null
        && LowerDirectories.AsSpan().SequenceEqual(other.LowerDirectories.AsSpan())
        && UpperDirectory == other.UpperDirectory && WorkDirectory == other.WorkDirectory;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(LowerDirectories.Length, UpperDirectory, WorkDirectory);
}
