namespace Isolation.Namespaces;

/// <summary>Pseudo-terminals of its own, a new instance. See pts(4).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
public sealed record DevptsMount(string Destination = "/dev/pts") : Mount(Destination, MountFlags.NoSuid | MountFlags.NoExec)
{
    internal override string TypeName => "devpts";
}
