namespace Isolation.Namespaces;

/// <summary>The devices and kernel settings of the container's network namespace. See sysfs(5).</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
/// <param name="Flags">Attributes of the mount; read-only by default.</param>
public sealed record SysfsMount(string Destination = "/sys",
    MountFlags Flags = MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "sysfs";
}
