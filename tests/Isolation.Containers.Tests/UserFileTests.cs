namespace Isolation.Containers.Tests;

public class UserFileTests
{
    private const string Passwd = "root:x:0:0:root:/root:/bin/sh\nwww:x:33:34::/var/www:/bin/false\nbroken\n:x:1:1::/:/\nnohome:x:5:6\n";
    private const string Group = "root:x:0:\nwww:x:34:\naudio:x:29:www,other\nvideo:x:44:www\n";

    [Theory]
    [InlineData("0", 0, 0, "/root", "")]
    [InlineData("www", 33, 34, "/var/www", "29,44")]
    [InlineData("www:audio", 33, 29, "/var/www", "")]
    [InlineData("33", 33, 34, "/var/www", "")]
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
    [InlineData("")]
    [InlineData(":5")]
    [InlineData("5:")]
    [InlineData("1:2:3")]
    public void What_is_no_user_is_refused(string text) => Assert.Throws<FormatException>(() => ContainerUser.Parse(text));

    private static ResolvedUser Resolve(string user) => UserFiles.Resolve(new ContainerBuilder(Rootfs.Host).WithUser(user).Build(), Passwd, Group);
}
