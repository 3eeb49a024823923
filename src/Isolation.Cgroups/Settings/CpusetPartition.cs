namespace Isolation.Cgroups;

/// <summary>How a control group's processors relate to its siblings': <c>cpuset.cpus.partition</c>.</summary>
public enum CpusetPartition
{
    /// <summary>No partition of its own: shares its parent's scheduling domain.</summary>
    Member,

    /// <summary>A scheduling domain of its own, whose processors nobody else has.</summary>
    Root,

    /// <summary>The same without load balancing. Since Linux 6.1.</summary>
    Isolated,
}
