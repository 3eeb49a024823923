namespace Isolation.Cgroups;

/// <summary>The cpuset controller's settings.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, "Cpuset Interface Files". Scope of each: the control group and everything below it.</remarks>
public static class CpusetControls
{
    /// <summary>The processors that may be used; empty for the parent's. Writes <c>cpuset.cpus</c>.</summary>
    public static T WithCpusetCpus<T>(this T cgroup, params IEnumerable<int> processors) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpuset.cpus", CpuList.Write(processors));

    /// <summary>The memory nodes that may be used; empty for the parent's. Writes <c>cpuset.mems</c>.</summary>
    public static T WithCpusetMems<T>(this T cgroup, params IEnumerable<int> nodes) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpuset.mems", CpuList.Write(nodes));

    /// <summary>The processors that no sibling may have. Writes <c>cpuset.cpus.exclusive</c>. Since Linux 6.7; not on version 1.</summary>
    public static T WithCpusetCpusExclusive<T>(this T cgroup, params IEnumerable<int> processors) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpuset.cpus.exclusive", CpuList.Write(processors));

    /// <summary>Makes a partition, or ends it. Writes <c>cpuset.cpus.partition</c>;
    /// read it afterwards, since the kernel may call it invalid. Since Linux 5.15; not on version 1.</summary>
    public static T WithCpusetPartition<T>(this T cgroup, CpusetPartition partition) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "cpuset.cpus.partition", partition switch
        {
            CpusetPartition.Member => "member",
            CpusetPartition.Root => "root",
            CpusetPartition.Isolated => "isolated",
            _ => throw new ArgumentOutOfRangeException(nameof(partition)),
        });
}
