using Isolation.Linux;

namespace Isolation.Namespaces;

/// <summary>A /dev of its own in memory: null, zero, full, random, urandom, tty, with pts,
/// shm and mqueue below it and the usual links.</summary>
/// <param name="Destination">Where it appears inside the root; links are refused on the way.</param>
public sealed record DevMount(string Destination = "/dev") : Mount(Destination, MountFlags.NoSuid)
{
    /// <summary>The most that its shm holds.</summary>
    public ByteSize ShmSize { get; init; } = ByteSize.FromMebibytes(64);

    /// <summary>Whether it has pseudo-terminals in pts.</summary>
    public bool HasPts { get; init; } = true;

    /// <summary>Whether it has shared memory in shm: its own, or that of the host or process whose IPC namespace it
    /// shares.</summary>
    public bool HasShm { get; init; } = true;

    /// <summary>Whether it has message queues in mqueue.</summary>
    public bool HasMqueue { get; init; } = true;

    internal override string TypeName => "dev";
}
