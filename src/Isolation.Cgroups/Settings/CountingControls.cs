namespace Isolation.Cgroups;

/// <summary>The settings of controllers that only count: pids, hugetlb, rdma, misc, dmem, net_cls, net_prio.</summary>
/// <remarks>See the kernel's cgroup-v2 guide, and its cgroup-v1 guides for the last two. Scope of each:
/// the control group and everything below it.</remarks>
public static class CountingControls
{
    /// <summary>How many processes and threads there may be; a fork above it fails with <c>EAGAIN</c>. Writes <c>pids.max</c>.</summary>
    public static T WithPidsMax<T>(this T cgroup, CgroupLimit count) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "pids.max", count);

    /// <summary>Limits huge pages in use. Writes <c>hugetlb.SIZE.max</c>; on version 1 <c>hugetlb.SIZE.limit_in_bytes</c>.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="pageSize">The page size as the file is named: <c>2MB</c>, <c>1GB</c>.</param>
    /// <param name="size">The limit in bytes.</param>
    public static T WithHugetlbMax<T>(this T cgroup, string pageSize, Linux.ByteSize size) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, $"hugetlb.{CgroupControls.Word(pageSize)}.max", size);

    /// <summary>Limits reserved huge pages, so that a mapping fails and not a later access. Writes <c>hugetlb.SIZE.rsvd.max</c>; on version
    /// 1 <c>hugetlb.SIZE.rsvd.limit_in_bytes</c>. Since Linux 5.7.</summary>
    /// <inheritdoc cref="WithHugetlbMax" path="/param"/>
    public static T WithHugetlbRsvdMax<T>(this T cgroup, string pageSize, Linux.ByteSize size) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, $"hugetlb.{CgroupControls.Word(pageSize)}.rsvd.max", size);

    /// <summary>Limits handles and objects of an RDMA device. Writes <c>rdma.max</c>.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="device">The device's name: <c>mlx4_0</c>.</param>
    /// <param name="handles">Host channel adapter handles.</param>
    /// <param name="objects">Host channel adapter objects.</param>
    public static T WithRdmaMax<T>(this T cgroup, string device, CgroupLimit handles, CgroupLimit objects) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "rdma.max", $"{CgroupControls.Word(device)} hca_handle={handles} hca_object={objects}");

    /// <summary>Limits a miscellaneous resource of the host, such as <c>sev</c>. Writes <c>misc.max</c>.
    /// Since Linux 5.13; not on version 1.</summary>
    public static T WithMiscMax<T>(this T cgroup, string resource, CgroupLimit count) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "misc.max", $"{CgroupControls.Word(resource)} {count}");

    /// <summary>Limits a region of device memory. Writes <c>dmem.max</c>. Since Linux 6.14; not on version 1.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="region">The region's name as in <c>dmem.capacity</c>: <c>drm/0000:03:00.0/vram0</c>.</param>
    /// <param name="size">Bytes.</param>
    public static T WithDmemMax<T>(this T cgroup, string region, Linux.ByteSize size) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "dmem.max", $"{CgroupControls.Word(region)} {size}");

    /// <summary>Protects a region of device memory absolutely. Writes <c>dmem.min</c>. Since Linux 6.14; not on version 1.</summary>
    /// <inheritdoc cref="WithDmemMax" path="/param"/>
    public static T WithDmemMin<T>(this T cgroup, string region, Linux.ByteSize size) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "dmem.min", $"{CgroupControls.Word(region)} {size}");

    /// <summary>Protects a region of device memory as long as others have some to give. Writes <c>dmem.low</c>.
    /// Since Linux 6.14; not on version 1.</summary>
    /// <inheritdoc cref="WithDmemMax" path="/param"/>
    public static T WithDmemLow<T>(this T cgroup, string region, Linux.ByteSize size) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "dmem.low", $"{CgroupControls.Word(region)} {size}");

    /// <summary>Tags packets of the processes inside for tc(8) and iptables(8). Writes <c>net_cls.classid</c>: version 1 only.</summary>
    /// <param name="cgroup">What takes the setting.</param>
    /// <param name="classId">Major number in the high 16 bits, minor in the low ones: 10:1 is 0x00100001.</param>
    public static T WithNetClassId<T>(this T cgroup, uint classId) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "net_cls.classid", classId);

    /// <summary>The priority of packets sent by an interface. Writes a line of <c>net_prio.ifpriomap</c>: version 1 only.</summary>
    public static T WithNetPriority<T>(this T cgroup, string networkInterface, uint priority) where T : ICgroupControls<T> =>
        CgroupControls.Set(cgroup, "net_prio.ifpriomap",
            string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{CgroupControls.Word(networkInterface)} {priority}"));
}
