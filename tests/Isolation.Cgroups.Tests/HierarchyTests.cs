
namespace Isolation.Cgroups.Tests;

/// <summary>Where hierarchies are mounted and where a process is in them, from texts of real hosts.</summary>
public class HierarchyTests
{
    [Fact]
    public void A_unified_host()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse("30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n", "0::/user.slice/user-1000.slice/session-2.scope\n");
        Assert.Equal(CgroupMode.Unified, found.Mode);
        Assert.Equal(new CgroupMount("/sys/fs/cgroup", "/user.slice/user-1000.slice/session-2.scope"), found.V2);
    }

    [Fact]
    public void A_hybrid_host_with_controllers_mounted_together()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse(
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/\n");
        Assert.Equal(CgroupMode.Hybrid, found.Mode);
        Assert.Equal(["cpu", "cpuacct", "memory", "name=systemd"], found.V1.Keys);
        Assert.Equal(found.V1["cpu"], found.V1["cpuacct"]);
        Assert.Equal("/a/b", found.V1["memory"].Self);
    }

    [Fact]
    public void A_container_that_sees_a_part_of_the_tree()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse("35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n", "4:memory:/docker/abc/inner\n");
        Assert.Equal((CgroupMode.Legacy, "/inner"), (found.Mode, found.V1["memory"].Self));
    }

    [Fact]
    public void A_host_with_nothing_mounted() => Assert.Equal(CgroupMode.None, CgroupHierarchies.Parse("", "0::/\n").Mode);

    [Fact]
    public void A_pseudo_hybrid_host_is_unified_where_only_a_named_hierarchy_is_version_1() =>
        Assert.Equal(CgroupMode.Unified, CgroupHierarchies.Parse("40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "1:name=systemd:/\n0::/\n").Mode);

    [Theory]
    [InlineData("a/b", "/own", "/own/a/b")]
    [InlineData("/a/b/", "/own", "/a/b")]
    [InlineData("/", "/own", "/")]
    [InlineData("", "/own/x", "/own/x")]
    public void Paths_start_at_the_root_or_at_the_callers_own_group(string path, string self, string expected) => Assert.Equal(expected, CgroupPath.Join(CgroupPath.Parts(path, self)));
}
