namespace Isolation.Namespaces;

/// <summary>Whether mounts and unmounts travel between this mount and its copies. See mount_namespaces(7).</summary>
public enum MountPropagation
{
    /// <summary><c>MS_PRIVATE</c>: nothing travels.</summary>
    Private,

    /// <summary><c>MS_SLAVE</c>: what the host mounts below appears here; nothing goes back.</summary>
    Slave,

    /// <summary><c>MS_SHARED</c>: both ways. What the container mounts below stays on the host when the container has ended. Needs a source
    /// on a shared mount, and no user namespace of the container's own.</summary>
    Shared,

    /// <summary><c>MS_UNBINDABLE</c>: private, and it cannot be bind-mounted.</summary>
    Unbindable,
}
