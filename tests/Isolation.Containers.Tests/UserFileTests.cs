namespace Isolation.Containers.Tests;

public class UserFileTests
{
    private const string Passwd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/var/www:/bin/false\nbroken\n:x:1:1::/:/\nnohome:x:5:6\n";
    private const string Group = "root:x:0:\nwww:x:34:\naudio:x:29:www,other\nvideo:x:44:www\n";

    [Theory]
    [InlineData("0", 0, 0, "/root", "")]
    [InlineData("www", 33, 34, "/var/www", "29,44")]
    [InlineData("www:audio", 33, 29, "/var/www", "")]
    [InlineData("33", 33, 34, "/var/www", "29,44")] // GetExecUser of github.com/moby/sys/user
    [InlineData("033", 33, 34, "/var/www", "29,44")]
    [InlineData("33:29", 33, 29, "/var/www", "")]
    [InlineData("1234", 1234, 0, "/", "")]
    [InlineData("1234:5678", 1234, 5678, "/", "")]
    [InlineData("nohome", 5, 6, "/", "")]
    public void Users_resolve_as_docker_resolves_them(string user, uint id, uint group, string home, string groups)
    {
        ResolvedUser resolved = Resolve(user);
        Assert.Equal((id, group, home, groups), (resolved.UserId, resolved.GroupId, resolved.Home, string.Join(',', resolved.Groups)));
    }

    [Theory]
    [InlineData("nobody")]
    [InlineData("www:nogroup")]
    [InlineData("4294967295")]
    [InlineData("broken")]
    public void Unknown_ones_are_refused(string user) => Assert.Throws<SpecException>(() => Resolve(user));

    [Theory]
    [InlineData("www:x:33:x::/:/", "", "www")]          // passwd(5): the group is a number
    [InlineData("www:x:33:::/:/", "", "www")]
    [InlineData("www:x:33", "", "www")]
    [InlineData("www:x:33:-1::/:/", "", "33")]
    [InlineData("www:x:33:4294967295::/:/", "", "33")]   // (gid_t) -1: chown(2)
    [InlineData("www:x:33:33::/:/", "wheel:x:ten:www", "www")]
    public void An_id_that_is_no_number_is_refused_and_never_0(string passwd, string group, string user) =>
        Assert.Throws<SpecException>(() => Resolve(user, passwd, group));

    [Fact]
    public void A_number_is_found_however_it_is_written() =>
        Assert.Equal((33u, "/var/www"), (Resolve("0033").UserId, Resolve("0033").Home));

    [Fact]
    public void A_home_that_no_environment_can_hold_is_none() => Assert.Equal("/", Resolve("www", "www:x:1:1::/a\0b:/", "").Home);

    [Fact]
    public void Large_files_are_read_whole_and_larger_ones_are_refused()
    {
        using var directory = new TemporaryDirectory();
        string group = string.Concat(Enumerable.Range(1000, 100_000).Select(i => $"group{i}:x:{i}:\n")) + "last:x:77:www\n";
        directory.Make("etc");
        directory.Write("etc/passwd", Passwd);
        directory.Write("etc/group", group);
        Assert.InRange(group.Length, 1 << 20, 8 << 20);
        ContainerSpec spec = new ContainerBuilder(Rootfs.Directory(directory.Path)).WithUser("www").Build().Spec;
        Assert.Equal([77u], UserFiles.Resolve(spec).Groups);
        directory.Write("etc/group", string.Concat(Enumerable.Repeat(group, 5)));
        Assert.Contains("needs the root's /etc/group, which is larger than 8 MiB",
            Assert.Throws<SpecException>(() => UserFiles.Resolve(spec)).Message);
        // By number nothing of the file is needed.
        Assert.Equal(5u, UserFiles.Resolve(new ContainerBuilder(Rootfs.Directory(directory.Path)).WithUser(33, 5).Build().Spec).GroupId);
    }

    [Fact]
    public void A_file_of_the_topmost_layer_hides_those_below_also_where_it_cannot_be_read()
    {
        using var directory = new TemporaryDirectory();
        foreach (string layer in new[] { "upper/etc", "lower/etc" })
            directory.Make(layer);
        directory.Write("lower/etc/passwd", "app:x:0:0::/root:/bin/sh\n");
        ResolvedUser Resolved() => UserFiles.Resolve(new ContainerBuilder(Rootfs.Overlay(Path.Combine(directory.Path, "upper"),
            Path.Combine(directory.Path, "lower"))).WithUser("app").Build().Spec);
        Assert.Equal(0u, Resolved().UserId);
        string upper = Path.Combine(directory.Path, "upper/etc/passwd");
        foreach (string target in new[] { "nowhere", "passwd" }) // dangles, and loops
        {
            File.CreateSymbolicLink(upper, target);
            Assert.Throws<SpecException>(Resolved);
            File.Delete(upper);
        }

        Directory.CreateDirectory(upper);
        Assert.Contains("is no regular file", Assert.Throws<SpecException>(Resolved).Message);
        Directory.Delete(upper);
        File.WriteAllText(upper, "app:x:7:8::/home:/bin/sh\n");
        Assert.Equal(7u, Resolved().UserId);
    }

    [Theory]
    [InlineData("")]
    [InlineData(":5")]
    [InlineData("5:")]
    [InlineData("1:2:3")]
    public void What_is_no_user_is_refused(string text) => Assert.Throws<FormatException>(() => ContainerUser.Parse(text));

    private static ResolvedUser Resolve(string user, string passwd = Passwd, string group = Group) =>
        UserFiles.Resolve(new ContainerBuilder(Rootfs.Host).WithUser(user).Build().Spec, passwd, group);
}
