using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>Places in a root that are not what they seem: links to nothing, directories that may not be searched.</summary>
public class RootPathTests
{
    // runc makes the target too: its document of mounts says that a destination is resolved in the root, and made where it does not exist.
    [Fact]
    public async Task What_a_dangling_link_leads_to_is_made_inside_the_root()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), source = directory.Write("source/file", "shown\n");
        directory.Make("root/var");
        directory.Link("root/var/run", "/run");
        directory.Link("root/var/absolute", "/var/run/two");
        directory.Link("root/var/climbs", "../../../../outside/x");
        directory.Link("root/file", "var/run/named/file");
        directory.Link("root/loop", "loop");
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms().WithWritableRoot()
            .AddMount(new BindMount(source, "/file")).AddMount(new TmpfsMount("/var/absolute/tmpfs"))
                .AddMount(new BindMount(Path.GetDirectoryName(source)!, "/var/climbs"))
            .WithWorkingDirectory("/var/run/work", create: true);
        string output = await builder.WithCommand("/bin/sh", "-c",
            "pwd; cat /run/named/file /outside/x/file; sed -n 's|.* \\(/run/[^ ]*tmpfs\\) .*|\\1|p' /proc/self/mountinfo").OutputAsync();
        Assert.Equal("/run/work\nshown\nshown\n/run/two/tmpfs", output);
        Assert.False(Path.Exists(Path.Combine(directory.Path, "outside")));
        directory.Link("root/deep", string.Concat(Enumerable.Repeat("d/", 60)));
        foreach ((string link, Errno errno) in new[] { ("/loop/x", Errno.ELOOP), ("/deep/x", Errno.ENOENT) })
        {
            LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => builder.AddMount(new TmpfsMount(link))
                .WithCommand("/bin/true")
                .StartAsync());
            Assert.Equal(errno, e.Errno);
        }
    }

    [Fact]
    public async Task A_link_into_an_earlier_mount_leads_there()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), source = directory.Write("source", "shown\n");
        directory.Make("root/var");
        directory.Link("root/var/run", "/run");
        string output = await new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms().AddMount(new TmpfsMount("/run"))
            .AddMount(new BindMount(source, "/var/run/new/file"))
            .WithCommand("/bin/sh", "-c", "cat /run/new/file; stat -f -c %T /run/new").OutputAsync();
        Assert.Equal("shown\ntmpfs", output);
    }

    [Fact]
    public async Task A_link_that_a_layer_has_is_found_and_one_that_another_removes_is_not()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), top = directory.Make("top/var");
        directory.Make("root/var");
        directory.Link("root/var/run", "/run");
        directory.Link("root/lock", "/run/lock");
        directory.Make("top/lock");
        string output = await new ContainerBuilder(Rootfs.Overlay(Path.GetDirectoryName(top)!, root)).WithHostPrograms()
            .WithWritableRoot().AddMount(new TmpfsMount("/var/run/x")).AddMount(new TmpfsMount("/lock/y"))
            .WithCommand("/bin/sh", "-c", "sed -n 's|.* \\(/[^ ]*/[xy]\\) .*- tmpfs.*|\\1|p' /proc/self/mountinfo").OutputAsync();
        Assert.Equal("/run/x\n/lock/y", output);
    }

    [Fact]
    public async Task A_directory_that_may_not_be_searched_can_be_masked_and_bound()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Write("root/closed/secret", "secret");
        directory.Make("root/shown");
        string source = directory.Make("source"), closed = Path.Combine(root, "closed");
        if (Host.IsRoot)
            Assert.Equal(0, Host.Run("sh", "-c", $"chown -R 100000:100000 {root} && chown 0:0 {closed}").Code);
        foreach (string path in new[] { closed, source })
            File.SetUnixFileMode(path, UnixFileMode.None);
        try
        {
            ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms().AddMaskedPath("/closed")
                .AddMount(new BindMount(source, "/shown/source"));
            // Root's are closed to those who stand for other ids; its own are closed to an ordinary user, whose only rights are those of
            // the owner.
            if (Host.IsRoot)
                builder = builder.WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536"));
            string output = await builder.WithCommand("/bin/sh", "-c", "ls -A /closed; stat -c %a /closed /shown/source").OutputAsync();
            Assert.Equal("555\n0", output);
        }
        finally
        {
            foreach (string path in new[] { closed, source })
                File.SetUnixFileMode(path, (UnixFileMode)0b111_000_000);
        }
    }

    [Theory]
    [InlineData("-w")]
    [InlineData("-v")]
    public void A_path_of_3000_parts_is_refused_in_one_line(string flag)
    {
        string deep = string.Concat(Enumerable.Repeat("/d", 3000));
        (int code, string output) = Host.Run(Host.Dotnet, Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll"), "run", flag,
            flag == "-v" ? "/etc:" + deep : deep, "true");
        Assert.Equal(125, code);
        Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("must have at most 50 parts", output);
        Assert.True(output.Length < 200, output);
    }
}
