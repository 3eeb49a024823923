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
