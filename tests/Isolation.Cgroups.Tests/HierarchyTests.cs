
namespace Isolation.Cgroups.Tests;

/// <summary>Where hierarchies are mounted and where a process is in them, from texts of real hosts.</summary>
public class HierarchyTests
{
    [Fact]
    public void A_unified_host()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse(
            "30 23 0:26 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/user.slice/user-1000.slice/session-2.scope\n");
        Assert.Equal(CgroupMode.Unified, found.Mode);
        Assert.Equal(new CgroupMount("/sys/fs/cgroup", "/user.slice/user-1000.slice/session-2.scope"), found.V2);
    }

    [Fact]
    public void A_hybrid_host_with_controllers_mounted_together()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse(
            "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup "
                + "cgroup rw,memory\n40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,xattr,name=systemd\n"
                + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
            "4:memory:/a/b\n2:cpu,cpuacct:/\n1:name=systemd:/init.scope\n0::/\n");
        Assert.Equal(CgroupMode.Hybrid, found.Mode);
        Assert.Equal(["cpu", "cpuacct", "memory", "name=systemd"], found.V1.Keys);
        Assert.Equal(found.V1["cpu"], found.V1["cpuacct"]);
        Assert.Equal("/a/b", found.V1["memory"].Self);
    }

    [Fact]
    public void A_container_that_sees_a_part_of_the_tree()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse("35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n",
            "4:memory:/docker/abc/inner\n");
        Assert.Equal((CgroupMode.Legacy, "/inner"), (found.Mode, found.V1["memory"].Self));
    }

    [Theory]
    [InlineData("", "/")] // as mountinfo tells it where the cgroup namespace's root is two levels below the mount's
    [InlineData("/inner", "/inner")]
    public void A_mount_made_outside_of_the_cgroup_namespace_shows_the_part_below_the_namespaces_root(string own, string self)
    {
        const string MountInfo = "50 46 0:31 /../.. /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
            + "56 46 0:37 /../.. /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        string cgroup = $"4:memory:/{own.TrimStart('/')}\n0::/{own.TrimStart('/')}\n";
        CgroupHierarchies found = CgroupHierarchies.Parse(MountInfo, cgroup,
            (mount, levels, path) => levels == 2 && path == self ? mount + "/a/b" : null);
        Assert.Equal(new CgroupMount("/sys/fs/cgroup/memory/a/b", self), found.V1["memory"]);
        Assert.Equal(new CgroupMount("/sys/fs/cgroup/unified/a/b", self), found.V2);
        // A text alone cannot tell where that is: the mount's root never stands for it.
        Assert.Equal(CgroupMode.None, CgroupHierarchies.Parse(MountInfo, cgroup).Mode);
    }

    [Theory]
    [InlineData("/..", "/../beside")]         // moved out of the namespace
    [InlineData("/../beside", "/")]           // a bind mount of a control group beside
    [InlineData("/../beside", "/../beside")]
    [InlineData("/", "/../beside")]
    [InlineData("/a/b", "/a")]                // a bind mount of a control group below
    [InlineData("/a/b", "/a/bc")]
    [InlineData("/a/b", "/")]
    public void A_mount_that_does_not_show_the_process_is_not_used(string root, string own) =>
        Assert.Equal(CgroupMode.None, CgroupHierarchies.Parse($"50 46 0:31 {root} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
            $"4:memory:{own}\n", (mount, _, _) => mount).Mode);

    [Theory]
    [InlineData("63 50 0:38 / /sys/fs/cgroup/memory rw - tmpfs none rw\n", false)]                 // over the mount
    [InlineData("63 46 0:38 / /sys/fs/cgroup rw - tmpfs none rw\n", false)]                        // over the one that it is on
    [InlineData("63 22 0:38 / /sys rw - tmpfs none rw\n", false)]                                  // over a directory above it
    [InlineData("63 22 0:38 / /sys/fs/cgroup-memory rw - tmpfs none rw\n", true)]                  // beside
    [InlineData("63 50 0:38 / /sys/fs/cgroup/memory/own rw - tmpfs none rw\n", true)]              // below: told when it is opened
    [InlineData("63 50 0:38 / /sys/fs/cgroup/memory rw - tmpfs none rw\n64 63 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n",
        true)]
    public void A_mount_below_another_is_not_used(string over, bool seen)
    {
        CgroupHierarchies found = CgroupHierarchies.Parse(
            "22 1 8:1 / / rw - ext4 disk rw\n46 22 0:27 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n"
                + "50 46 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n" + over, "4:memory:/a\n");
        Assert.Equal(seen ? new CgroupMount("/sys/fs/cgroup/memory", "/a") : null, found.V1.GetValueOrDefault("memory"));
    }

    [Fact]
    public void A_hierarchy_under_a_hidden_mount_is_found_where_else_it_is_mounted()
    {
        CgroupHierarchies found = CgroupHierarchies.Parse(
            "50 46 0:31 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n62 42 0:31 /a /mnt rw - cgroup cgroup rw,memory\n"
                + "63 50 0:38 / /sys/fs/cgroup/memory rw - tmpfs none rw\n", "4:memory:/a/b\n");
        Assert.Equal(("/mnt", "/b"), (found.V1["memory"].MountPoint, found.V1["memory"].Self));
    }

    [Fact]
    public void A_host_with_nothing_mounted() => Assert.Equal(CgroupMode.None, CgroupHierarchies.Parse("", "0::/\n").Mode);

    [Fact]
    public void A_pseudo_hybrid_host_is_unified_where_only_a_named_hierarchy_is_version_1() =>
        Assert.Equal(CgroupMode.Unified,
            CgroupHierarchies.Parse("40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n"
                + "41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n", "1:name=systemd:/\n0::/\n").Mode);

    [Theory]
    [InlineData("a/b", "/own", "/own/a/b")]
    [InlineData("/a/b/", "/own", "/a/b")]
    [InlineData("/", "/own", "/")]
    [InlineData("", "/own/x", "/own/x")]
    public void Paths_start_at_the_root_or_at_the_callers_own_group(string path, string self, string expected) =>
        Assert.Equal(expected, CgroupPath.Join(CgroupPath.Parts(path, self)));
}
