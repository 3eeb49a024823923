using Isolation.Linux;

namespace Isolation.Namespaces;

/// <summary>A file or directory of the host, seen inside. Like <c>mount --rbind</c>.</summary>
/// <example><code>
/// builder = builder.AddMount(new BindMount("/srv/data", "/data", MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev));
/// </code></example>
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
