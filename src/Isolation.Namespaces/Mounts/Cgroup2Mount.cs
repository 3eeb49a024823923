namespace Isolation.Namespaces;

/// <summary>The version 2 cgroup tree, from the container's cgroup namespace down. See cgroups(7).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount; read-only by default.</param>
public sealed record Cgroup2Mount(string Destination = "/sys/fs/cgroup",
    MountFlags Flags = MountFlags.ReadOnly | MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "cgroup2";
}
