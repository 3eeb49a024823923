using System.Globalization;
using Isolation.Containers;

namespace Isolation.Kernel.Tests;

/// <summary>Secrets reach the program as files in memory and nothing else.</summary>
public class SecretTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1000)]
    public async Task A_secret_is_a_file_that_only_the_programs_user_can_read(uint user)
    {
        if (user != 0 && !Host.IsRoot)
            Box.NeedsRanges();
        ContainerBuilder builder = Box.Shell("stat -c '%a %u %g %s' /run/secrets/*; stat -f -c %T /run/secrets/token; cat /run/secrets/*; "
                + "cat /proc/self/cmdline /proc/self/environ | grep -c hush; (echo x > /run/secrets/token) 2>&1 | grep -c 'Read-only'")
            .WithUser(user, user).AddSecret("token", "hush\n").AddSecret(new Secret("a-key.pem", new byte[] { 65, 66, 10 }));
        string id = user.ToString(CultureInfo.InvariantCulture);
        Assert.Equal([$"400 {id} {id} 3", $"400 {id} {id} 5", "tmpfs", "AB", "hush", "0", "1"],
            (await WithAllIds(builder, user).RunAndReadAsync()).Output.TrimEnd('\n').Split('\n'));
    }

    [Fact]
    public async Task Another_user_of_the_container_cannot_read_it()
    {
        Host.NeedsRoot();
        (ContainerResult result, string output) = await Box.Shell("setpriv --reuid 7 --clear-groups cat /run/secrets/token")
            .AddSecret("token", "hush").RunAndReadAsync();
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("Permission denied", output);
        Assert.DoesNotContain("hush", output);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("../x")]
    [InlineData("a/b")]
    [InlineData("a b")]
    public void A_name_that_is_no_file_of_that_directory_is_refused(string name) =>
        Assert.ThrowsAny<ArgumentException>(() => Box.Builder("true").AddSecret(name, "x"));

    [Fact]
    public void A_name_is_used_once()
    {
        SpecException e = Assert.Throws<SpecException>(() => Box.Builder("true").AddSecret("a", "1").AddSecret("a", "2").Build());
        Assert.Contains("secrets: must use a name once, not \"a\"", e.Message);
    }

    private static ContainerBuilder WithAllIds(ContainerBuilder builder, uint user) =>
        user == 0 || Host.IsRoot ? builder : builder.WithRanges();
}
