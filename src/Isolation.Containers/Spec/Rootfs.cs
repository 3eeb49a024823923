using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace Isolation.Containers;

/// <summary>The root file system of a container: what it sees as <c>/</c>.</summary>
/// <example><code>
/// var throwAway = new ContainerBuilder(Rootfs.Host);
/// var image = new ContainerBuilder(Rootfs.Overlay("/srv/images/debian"));
/// </code></example>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(HostRootfs), "host")]
[JsonDerivedType(typeof(DirectoryRootfs), "directory")]
[JsonDerivedType(typeof(OverlayRootfs), "overlay")]
public abstract record Rootfs
{
    /// <summary>A directory of the host.</summary>
    /// <param name="path">An absolute path.</param>
    public static Rootfs Directory(string path) => new DirectoryRootfs(path ?? throw new ArgumentNullException(nameof(path)));

    /// <summary>Directories of the host laid over each other, with changes kept in memory and discarded.</summary>
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
