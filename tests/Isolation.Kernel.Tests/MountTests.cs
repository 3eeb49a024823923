using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

public class MountTests
{
    [Fact]
    public async Task Binds_can_be_read_only_all_the_way_down()
    {
        using var directory = new TemporaryDirectory();
        string source = directory.Make("source");
        directory.Write("source/file", "content");
        ContainerBuilder builder = Box.Shell("cat /run/b/file; echo x > /run/b/new && cat /run/b/new; echo x > /run/ro/new")
            .AddMount(new TmpfsMount("/run"))
            .AddMount(new BindMount(source, "/run/b")).AddMount(new BindMount(source, "/run/ro", MountFlags.ReadOnly));
        (ContainerResult result, string output) = await builder.RunAndReadAsync();
        Assert.NotEqual(0, result.Status.Code);
        Assert.StartsWith("contentx\n", output);
        Assert.Contains("Read-only file system", output);
        Assert.Equal("x\n", File.ReadAllText(Path.Combine(source, "new")));
        // /sys has mounts below it on every host: none of them is writable.
        Assert.Equal("", await Box.Shell("awk '$5 ~ \"^/run/sys\" && $6 !~ /^ro/' /proc/self/mountinfo").AddMount(new TmpfsMount("/run"))
            .AddMount(new BindMount("/sys", "/run/sys", MountFlags.ReadOnly)).OutputAsync());
    }

    [Fact]
    public async Task A_file_can_be_bound_on_a_file()
    {
        using var directory = new TemporaryDirectory();
        string source = directory.Write("source", "from outside");
        Assert.Equal("from outside", await Box.Builder("/bin/cat", "/run/new/file").AddMount(new TmpfsMount("/run"))
            .AddMount(new BindMount(source, "/run/new/file")).OutputAsync());
    }

    [Fact]
    public async Task A_tmpfs_keeps_its_limits()
    {
        string output = await Box.Shell("stat -c %a /run; head -c 100000 /dev/zero > /run/file 2>&1; stat -c %s /run/file; rm /run/file; "
            + "for i in 1 2 3 4 5 6 7 8 9; do touch /run/$i 2>/dev/null; done; ls /run | wc -l; "
            + "awk '$5 == \"/run\" {print $6}' /proc/self/mountinfo")
            .AddMount(new TmpfsMount("/run", MountFlags.NoSuid | MountFlags.NoDev | MountFlags.NoExec)
            {
                Size = new(8192),
                Inodes = 6,
                Mode = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute,
            }).OutputAsync();
        string[] lines = output.Split('\n');
        Assert.Equal("700", lines[0]);
        Assert.Equal(["8192", "5", "rw,nosuid,nodev,noexec,relatime"], lines[^3..]);
    }

    [Fact]
    public async Task A_file_from_memory_is_read_only_and_has_its_mode()
    {
        string output = await Box.Shell("cat /run/secret; stat -c %a /run/secret; (echo x > /run/secret) 2>/dev/null || echo refused")
            .AddMount(new TmpfsMount("/run")).AddMount(new FileMount("/run/secret", [.. "hush\n"u8], UnixFileMode.UserRead)).OutputAsync();
        Assert.Equal("hush\n400\nrefused", output);
    }

    [Fact]
    public async Task An_overlay_merges_and_leaves_the_lower_directories_alone()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("a/one", "1");
        directory.Write("b/one", "hidden");
        directory.Write("b/two", "2");
        string[] lower = [Path.Combine(directory.Path, "a"), Path.Combine(directory.Path, "b")];
        string output = await Box.Shell("cat /run/o/one /run/o/two; echo new > /run/o/three; ls /run/o | wc -l")
            .AddMount(new TmpfsMount("/run")).AddMount(new OverlayMount([.. lower], "/run/o")).OutputAsync();
        Assert.Equal("123", output);
        Assert.False(File.Exists(Path.Combine(lower[0], "three")));
        string upper = directory.Make("upper"), work = directory.Make("work");
        await Box.Shell("echo kept > /run/o/three").AddMount(new TmpfsMount("/run"))
            .AddMount(new OverlayMount([.. lower], "/run/o") { UpperDirectory = upper, WorkDirectory = work }).OutputAsync();
        Assert.Equal("kept\n", File.ReadAllText(Path.Combine(upper, "three")));
    }

    [Fact]
    public async Task Layer_names_with_colons_commas_and_backslashes_work()
    {
        using var directory = new TemporaryDirectory();
        directory.Write("a:b,c\\d/file", "strange");
        Assert.Equal("strange", await Box.Builder("/bin/cat", "/run/o/file").AddMount(new TmpfsMount("/run"))
            .AddMount(new OverlayMount([Path.Combine(directory.Path, "a:b,c\\d")], "/run/o")).OutputAsync());
    }

    [Fact]
    public async Task A_device_of_the_host_can_be_shown()
    {
        Assert.Equal("4", await Box.Shell("head -c 4 /run/zero | wc -c").AddMount(new TmpfsMount("/run"))
            .AddMount(new DeviceMount("/dev/zero", "/run/zero")).OutputAsync());
    }

    [Fact]
    public async Task Mounts_do_not_travel_unless_asked()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string shared = directory.Make("shared");
        Assert.Equal(0, Host.Run("mount", "-t", "tmpfs", "none", shared).Code);
        try
        {
            Assert.Equal(0, Host.Run("mount", "--make-shared", shared).Code);
            Directory.CreateDirectory(Path.Combine(shared, "below"));
            foreach ((MountPropagation propagation, string expected) in new[] { (MountPropagation.Private, "0"),
                (MountPropagation.Slave, "1") })
            {
                await using Container process =
                    await Box.Shell("read go; awk '$5 == \"/run/shared/below\"' /proc/self/mountinfo | wc -l")
                        .AddMount(new TmpfsMount("/run"))
                        .AddMount(new BindMount(shared, "/run/shared") { Propagation = propagation }).WithStandardInput(Stdio.Pipe)
                        .WithStandardOutput(Stdio.Pipe).StartAsync();
                Assert.Equal(0, Host.Run("mount", "-t", "tmpfs", "none", Path.Combine(shared, "below")).Code);
                process.StandardInput!.Write("go\n"u8);
                string seen = (await new StreamReader(process.StandardOutput!).ReadToEndAsync()).Trim();
                Assert.Equal(0, Host.Run("umount", Path.Combine(shared, "below")).Code);
                Assert.Equal(expected, seen);
            }
        }
        finally
        {
            Host.Run("umount", "-l", shared);
        }
    }

    [Fact]
    public async Task Shared_mounts_travel_both_ways()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string shared = directory.Make("shared");
        Assert.Equal(0, Host.Run("mount", "-t", "tmpfs", "none", shared).Code);
        try
        {
            // As mount(8) makes it on a host with systemd; that of the container would stay private to it elsewhere, which is refused.
            Assert.Equal(0, Host.Run("mount", "--make-private", shared).Code);
            ContainerBuilder builder = Box.Shell("mkdir /run/shared/inside && mount -t tmpfs inside /run/shared/inside && echo mounted; "
                + "read go; awk '$5 == \"/run/shared/outside\"' /proc/self/mountinfo | wc -l")
                .AddMount(new TmpfsMount("/run")).AddMount(new BindMount(shared, "/run/shared") { Propagation = MountPropagation.Shared })
                .WithCapabilities(CapabilitySet.Of(Capability.SysAdmin)).WithSeccompUnconfined().WithStandardInput(Stdio.Pipe)
                    .WithStandardOutput(Stdio.Pipe);
            KernelFeatureException e = await Assert.ThrowsAsync<KernelFeatureException>(() => builder.StartAsync());
            Assert.Equal($"This host cannot provide shared propagation of \"{shared}\": it is not on a shared mount of the host. "
                + "Make it one: mount --bind DIR DIR, then mount --make-shared DIR.", e.Message);
            Assert.Equal(0, Host.Run("mount", "--make-shared", shared).Code);
            Directory.CreateDirectory(Path.Combine(shared, "outside"));
            await using Container process = await builder.StartAsync(TestContext.Current.CancellationToken);
            using var output = new StreamReader(process.StandardOutput!);
            Assert.Equal("mounted", await output.ReadLineAsync(TestContext.Current.CancellationToken));
            Assert.Contains(MountInfo.Read(), m => m.MountPoint == Path.Combine(shared, "inside") && m.Source == "inside");
            Assert.Equal(0, Host.Run("mount", "-t", "tmpfs", "none", Path.Combine(shared, "outside")).Code);
            process.StandardInput!.Write("go\n"u8);
            Assert.Equal("1", await output.ReadLineAsync(TestContext.Current.CancellationToken));
        }
        finally
        {
            Host.Run("umount", "-R", shared);
        }
    }

    [Fact]
    public void Mounts_of_a_user_namespace_are_not_shared_with_the_host()
    {
        ContainerBuilder builder = Box.Builder("/bin/true").WithUserNamespace(UserNamespaceMode.New)
            .AddMount(new BindMount("/srv", "/srv") { Propagation = MountPropagation.Shared });
        Assert.Contains("mounts of a user namespace never travel to the host", Assert.Throws<KernelFeatureException>(builder.Plan).Message);
    }

    [Fact]
    public async Task Devices_of_their_own_are_there_and_work()
    {
        string output = await Box.Shell("for d in null zero full random urandom tty ptmx; do [ -c /dev/$d ] && echo $d; done; "
            + "echo x > /dev/null; head -c 3 /dev/zero | wc -c; (echo x > /dev/full) 2>/dev/null || echo 1; touch /dev/shm/a && echo shm; "
            + "ls -d /dev/mqueue; cat < /dev/fd/0; ls /dev/pts")
            .OutputAsync();
        Assert.Equal("null zero full random urandom tty ptmx 3 1 shm /dev/mqueue ptmx", output.Replace('\n', ' '));
    }

    [Fact]
    public async Task Mount_information_of_a_container_can_be_read()
    {
        await using Container process = await Box.Builder("/bin/sleep", "1000").StartAsync();
        Assert.Contains(MountInfo.Read(process.ProcessId),
            m => m is { MountPoint: "/proc", FileSystemType: "proc" } && m.Options.Contains("nosuid"));
        Assert.Contains(MountInfo.Read(), m => m.MountPoint == "/");
    }

    [Fact]
    public async Task The_CLR_runs_inside_with_the_sdk_mounted_read_only()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), app = AppContext.BaseDirectory;
        string output = await new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms()
            .AddMount(new BindMount(Box.Sdk, "/sdk", MountFlags.ReadOnly)).AddMount(new BindMount(app, "/app", MountFlags.ReadOnly))
            .AddMount(new TmpfsMount("/tmp"))
            .AddEnvironment("DOTNET_ROOT", "/sdk").AddEnvironment("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1")
            .WithCommand("/sdk/dotnet", "/app/Isolation.Testing.Victim.dll", "--hello").WithWritableRoot().OutputAsync();
        Assert.Equal("hello from process 2", output); // the init is process 1
    }
}
