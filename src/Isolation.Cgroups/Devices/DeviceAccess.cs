namespace Isolation.Cgroups;

/// <summary>The kinds of access to a device.</summary>
[Flags]
public enum DeviceAccess
{
    /// <summary>Nothing.</summary>
    None = 0,

    /// <summary>Making its node: mknod(2).</summary>
    Mknod = 1,

    /// <summary>Opening it for reading.</summary>
    Read = 2,

    /// <summary>Opening it for writing.</summary>
    Write = 4,

    /// <summary>All of it.</summary>
    All = Mknod | Read | Write,
}
