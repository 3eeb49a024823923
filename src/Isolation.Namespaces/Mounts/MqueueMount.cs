namespace Isolation.Namespaces;

/// <summary>POSIX message queues of the container's IPC namespace. See mq_overview(7).</summary>
/// <param name="Destination">Where it appears inside the root.</param>
public sealed record MqueueMount(string Destination = "/dev/mqueue")
    : Mount(Destination, MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
{
    internal override string TypeName => "mqueue";
}
