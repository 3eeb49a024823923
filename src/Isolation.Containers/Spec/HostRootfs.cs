using System.Collections.Immutable;

namespace Isolation.Containers;

/// <summary>The host's own root, with changes kept in memory and thrown away: nothing is ever written to the host.</summary>
/// <remarks>One overlay over <c>/</c>, without the file systems that are mounted below it. In a user namespace the kernel refuses that, so
/// there the root is a tmpfs with an overlay for each directory of the host's root;
/// a directory with mounts below it is seen read-only.</remarks>
public sealed record HostRootfs : Rootfs
{
    internal override ImmutableArray<string> Layers => ["/"];

    internal override bool WritesThrough => false;
}
