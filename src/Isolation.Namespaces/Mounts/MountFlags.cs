namespace Isolation.Namespaces;

/// <summary>Attributes of a mount. See mount_setattr(2), mount(8).</summary>
[Flags]
public enum MountFlags
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>MOUNT_ATTR_RDONLY</c>: nothing can be written.</summary>
    ReadOnly = 1,

    /// <summary><c>MOUNT_ATTR_NOSUID</c>: set-user-ID bits and file capabilities are ignored.</summary>
    NoSuid = 2,

    /// <summary><c>MOUNT_ATTR_NODEV</c>: device nodes cannot be opened.</summary>
    NoDev = 4,

    /// <summary><c>MOUNT_ATTR_NOEXEC</c>: no program can be executed.</summary>
    NoExec = 8,

    /// <summary><c>MOUNT_ATTR_NOATIME</c>: access times are not kept.</summary>
    NoAtime = 0x10,

    /// <summary><c>MOUNT_ATTR_NODIRATIME</c>: access times of directories are not kept.</summary>
    NoDiratime = 0x80,

    /// <summary><c>MOUNT_ATTR_NOSYMFOLLOW</c>: symbolic links are not followed. Since Linux 5.14.</summary>
    NoSymfollow = 0x200000,
}

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
