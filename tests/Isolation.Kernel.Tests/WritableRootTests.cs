using Isolation.Containers;

namespace Isolation.Kernel.Tests;

/// <summary>Where a program can write, and where that goes.</summary>
public class WritableRootTests
{
    [Fact]
    public async Task Writes_to_the_hosts_root_are_thrown_away()
    {
        string name = $"/isolation-test-{Guid.NewGuid():n}";
        Assert.Equal("here", await Box.Shell($"echo here > {name}; cat {name}").OutputAsync());
        Assert.False(File.Exists(name));
    }

    [Fact]
    public async Task Temporary_files_can_be_written()
    {
        string name = $"isolation-test-{Guid.NewGuid():n}";
        Assert.Equal("1\n2\n3",
            await Box.Shell($"n=0; for d in /tmp /var/tmp /run; do n=$((n + 1)); echo $n > $d/{name}; cat $d/{name}; done").OutputAsync());
        foreach (string directory in new[] { "/tmp", "/var/tmp", "/run" })
            Assert.False(File.Exists($"{directory}/{name}"));
    }

    [Fact]
    public async Task A_root_is_read_only_where_a_write_would_reach_the_host_or_where_that_is_asked_for()
    {
        (ContainerResult result, string output) = await Box.Shell("echo x > /file").WithReadOnlyRoot().RunAndReadAsync();
        Assert.NotEqual(0, result.Status.Code);
        Assert.Contains("Read-only file system", output);
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms()
            .WithCommand("/bin/sh", "-c", "echo x > /file");
        (result, output) = await builder.RunAndReadAsync();
        Assert.NotEqual(0, result.Status.Code);
        Assert.Contains("Read-only file system", output);
        Assert.False(File.Exists(Path.Combine(root, "file")));
        await builder.WithWritableRoot().OutputAsync();
        Assert.Equal("x\n", File.ReadAllText(Path.Combine(root, "file")));
    }
}
