using System.Text.Json.Serialization;

namespace Isolation.Namespaces;

/// <summary>A mount inside a container's root. Immutable.</summary>
/// <param name="Destination">An absolute path inside the root.
/// Links in it are followed, but never out of the root; missing directories are made.</param>
/// <param name="Flags">Attributes of the mount.</param>
[JsonPolymorphic(TypeDiscriminatorPropertyName = "type")]
[JsonDerivedType(typeof(BindMount), "bind")]
[JsonDerivedType(typeof(Cgroup2Mount), "cgroup2")]
[JsonDerivedType(typeof(DevMount), "dev")]
[JsonDerivedType(typeof(DeviceMount), "device")]
[JsonDerivedType(typeof(DevptsMount), "devpts")]
[JsonDerivedType(typeof(FileMount), "file")]
[JsonDerivedType(typeof(MqueueMount), "mqueue")]
[JsonDerivedType(typeof(OverlayMount), "overlay")]
[JsonDerivedType(typeof(ProcMount), "proc")]
[JsonDerivedType(typeof(SysfsMount), "sysfs")]
[JsonDerivedType(typeof(TmpfsMount), "tmpfs")]
public abstract record Mount(string Destination, MountFlags Flags)
{
    internal abstract string TypeName { get; }

    /// <summary>Whether a link at the destination is itself covered, not what it leads to, which may be nothing:
    /// for files that every container has.</summary>
    internal bool CoversLink { get; init; }
}
