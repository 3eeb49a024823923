using System.Collections.Immutable;

namespace Isolation.Containers;

/// <summary>A directory of the host as the root.</summary>
/// <example><code>var root = new DirectoryRootfs("/srv/images/debian") { IdMapped = true };</code></example>
/// <param name="Path">An absolute path.</param>
public sealed record DirectoryRootfs(string Path) : Rootfs
{
    /// <summary>Whether file owners are shifted by the container's id map, so that its root owns what the host's root owns. Needs a root
    /// caller, a new user namespace and a file system that supports it. Since Linux 5.12.</summary>
    public bool IdMapped { get; init; }

    internal override ImmutableArray<string> Layers => [Path];

    internal override bool WritesThrough => true;
}
