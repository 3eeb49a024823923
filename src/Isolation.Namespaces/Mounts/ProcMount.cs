namespace Isolation.Namespaces;

/// <summary>The processes of the container's PID namespace. See proc(5).</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
public sealed record ProcMount(string Destination = "/proc") : Mount(Destination, MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
{
    internal override string TypeName => "proc";
}
