using System.Collections.Immutable;

namespace Isolation.Containers;

/// <summary>What a container sees as <c>/</c>.</summary>
public abstract record Rootfs
{
    /// <summary>A directory of the host.</summary>
    /// <param name="path">An absolute path.</param>
    public static Rootfs Directory(string path) => new DirectoryRootfs(path ?? throw new ArgumentNullException(nameof(path)));

    /// <summary>Directories of the host laid over each other, with changes kept in memory and thrown away.</summary>
    /// <param name="lowerDirectories">Absolute paths, the topmost first.</param>
    public static Rootfs Overlay(params IEnumerable<string> lowerDirectories) =>
        new OverlayRootfs([.. lowerDirectories ?? throw new ArgumentNullException(nameof(lowerDirectories))]);

    /// <summary>The host's own root, with changes kept in memory and thrown away.</summary>
    public static Rootfs Host { get; } = new HostRootfs();

    /// <summary>The directories of the host that make up the root, the topmost first.</summary>
    internal abstract ImmutableArray<string> Layers { get; }

    /// <summary>Whether what is written to it is written to a directory of the host.</summary>
    internal abstract bool WritesThrough { get; }
}

/// <summary>The host's own root, with changes kept in memory and thrown away: nothing is ever written to the host.</summary>
/// <remarks>One overlay over <c>/</c>, without the file systems that are mounted below it. In a user namespace the kernel refuses that, so
/// there the root is a tmpfs with an overlay for each directory of the host's root;
/// a directory with mounts below it is seen read-only.</remarks>
public sealed record HostRootfs : Rootfs
{
    internal override ImmutableArray<string> Layers => ["/"];

    internal override bool WritesThrough => false;
}

/// <summary>A directory of the host as the root.</summary>
/// <param name="Path">An absolute path.</param>
public sealed record DirectoryRootfs(string Path) : Rootfs
{
    /// <summary>Whether file owners are shifted by the container's id map, so that its root owns what the host's root owns. Needs a root
    /// caller, a new user namespace and a file system that supports it. Since Linux 5.12.</summary>
    public bool IdMapped { get; init; }

    internal override ImmutableArray<string> Layers => [Path];

    internal override bool WritesThrough => true;
}

/// <summary>Directories of the host laid over each other as the root. See the kernel's overlayfs document.</summary>
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
