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
