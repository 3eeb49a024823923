namespace Isolation.Linux.Tests;

public class MountInfoTests
{
    [Fact]
    public void A_line_of_the_manual_is_read()
    {
        MountInfo mount = Assert.Single(
            MountInfo.Parse("36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 shared:2 - ext3 /dev/root rw,errors=continue\n"));
        Assert.Equal((36, 35, 98, 0, "/mnt1", "/mnt2", "rw,noatime"),
            (mount.Id, mount.ParentId, mount.Major, mount.Minor, mount.Root, mount.MountPoint, mount.Options));
        Assert.Equal(["master:1", "shared:2"], mount.OptionalFields);
        Assert.Equal(("ext3", "/dev/root", "rw,errors=continue"), (mount.FileSystemType, mount.Source, mount.SuperOptions));
    }

    [Fact]
    public void Escapes_are_undone()
    {
        MountInfo mount = Assert.Single(MountInfo.Parse(@"1 2 0:1 / /a\040b\011c\134d\012e rw - tmpfs my\040source rw"));
        Assert.Equal(("/a b\tc\\d\ne", "my source"), (mount.MountPoint, mount.Source));
        Assert.Empty(mount.OptionalFields);
    }

    [Theory]
    [InlineData("1")]
    [InlineData("1 2 0:1 / / rw tmpfs none rw")]
    [InlineData("1 2 01 / / rw - tmpfs none rw")]
    [InlineData("x 2 0:1 / / rw - tmpfs none rw")]
    [InlineData("1 2 0:1 / / rw -")]
    [InlineData("-")]
    public void What_is_no_line_is_refused(string line) => Assert.Throws<FormatException>(() => MountInfo.Parse(line));

    [Fact]
    public void This_hosts_mounts_are_read() => Assert.Contains(MountInfo.Read(), m => m.MountPoint == "/proc");
}
