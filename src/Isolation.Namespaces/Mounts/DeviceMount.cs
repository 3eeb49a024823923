namespace Isolation.Namespaces;

/// <summary>A device of the host, seen inside under the same or another name.</summary>
/// <example><code>builder = builder.AddMount(new DeviceMount("/dev/fuse", "/dev/fuse"));</code></example>
/// <param name="Source">An absolute path on the host, of a device node.</param>
/// <param name="Destination">Where it appears inside the root.</param>
/// <param name="Flags">Attributes of the mount; read-only lets the device be opened for reading only.</param>
public sealed record DeviceMount(string Source, string Destination, MountFlags Flags = MountFlags.NoSuid | MountFlags.NoExec)
    : Mount(Destination, Flags)
{
    internal override string TypeName => "device";
}
