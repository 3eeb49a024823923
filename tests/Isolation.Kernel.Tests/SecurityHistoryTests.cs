using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>What went wrong in other runtimes, tried here. Each is named after its entry in the public record.</summary>
public class SecurityHistoryTests
{
    private static ContainerBuilder InRoot(string root, params string[] command) =>
        new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms().WithCommand(command[0], command[1..]).WithWritableRoot();

    [Fact]
    public async Task CVE_2019_5736_the_executable_behind_the_first_process_is_not_this_programs()
    {
        // "#!/proc/self/exe" runs whatever file the process came from: in the sealed form that is a memfd that nobody can write.
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Write("root/evil", "#!/proc/self/exe\n", (UnixFileMode)0b111_101_101);
        (ContainerResult safe, string nothing) = await InRoot(root, "/evil").WithLaunchForm(LaunchForm.Sealed).RunAndReadAsync();
        // The image starts over, has none of its descriptors, and ends. In the other form the file is this program's own.
        Assert.Equal((127, ""), (safe.Status.Code, nothing));
        (ContainerResult exposed, string output) = await InRoot(root, "/evil").WithLaunchForm(LaunchForm.InMemory).RunAndReadAsync();
        Assert.NotEqual((127, ""), (exposed.Status.Code, output));
    }

    [Fact]
    public void CVE_2019_5736_the_sealed_form_is_chosen_where_the_workload_could_write_this_programs_file()
    {
        HostFacts facts = HostFacts.Current with { ExecutableOwner = HostFacts.Current.UserId };
        Assert.Equal(LaunchForm.Sealed, Box.Builder("/bin/true").AsFirstProcess().Build().Plan(facts).Form);
        if (!Host.IsRoot)
            Assert.Equal(LaunchForm.InMemory,
                Box.Builder("/bin/true").AsFirstProcess().Build().Plan(facts with { ExecutableOwner = 0 }).Form);
    }

    [Theory]
    [InlineData("/proc/self/fd/3")]
    [InlineData("/proc/self/fd/4")]
    [InlineData("/proc/self/fd/10")]
    [InlineData("/proc/self/cwd")]
    [InlineData("/proc/self/root")]
    public async Task CVE_2024_21626_a_working_directory_through_a_magic_link_is_refused(string path)
    {
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/true")
            .WithWorkingDirectory(path).StartAsync());
        Assert.Equal("enter working directory", e.Action);
        Assert.True(e.Errno is Errno.ELOOP or Errno.ENOENT, e.Message);
    }

    [Fact]
    public async Task CVE_2024_21626_a_link_in_the_image_to_a_leaked_descriptor_leads_nowhere()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        for (int i = 3; i < 30; i++)
            directory.Link($"root/cwd{i}", $"/proc/self/fd/{i}");
        for (int i = 3; i < 30; i++)
        {
            LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => InRoot(root, "/bin/true")
                .WithWorkingDirectory($"/cwd{i}").StartAsync());
            Assert.True(e.Errno is Errno.ELOOP or Errno.ENOENT, e.Message);
        }
    }

    [Theory]
    [InlineData("proc", "/proc")]
    [InlineData("sys", "/sys")]
    [InlineData("dev", "/dev")]
    public async Task CVE_2019_16884_2023_27561_2026_41579_a_linked_proc_sys_or_dev_is_refused(string name, string destination)
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), outside = directory.Make("outside");
        directory.Make("root/elsewhere");
        foreach (string target in new[] { "elsewhere", "/elsewhere", outside })
        {
            directory.Link("root/" + name, target);
            LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => InRoot(root, "/bin/true").StartAsync());
            Assert.Equal((Errno.ELOOP, $"\"{destination}\""), (e.Errno, e.Subject));
            Assert.Contains("symbolic link", e.Message);
            File.Delete(Path.Combine(root, name));
        }

        Assert.Empty(Directory.GetFileSystemEntries(outside));
    }

    [Fact]
    public async Task CVE_2021_30465_2019_18837_a_mount_target_that_links_out_of_the_root_stays_inside()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), outside = directory.Make("outside");
        string source = directory.Write("source/file", "mounted");
        directory.Link("root/absolute", outside);
        directory.Link("root/dots", "../../../../../../.." + outside);
        directory.Make("root" + outside); // where the links lead, inside the root
        foreach (string link in new[] { "/absolute", "/dots" })
        {
            string seen = await InRoot(root, "/bin/sh", "-c", $"cat {outside}/file; ls {outside}")
                .AddMount(new BindMount(Path.GetDirectoryName(source)!, link)).OutputAsync();
            Assert.Equal("mountedfile", seen);
            Assert.Empty(Directory.GetFileSystemEntries(outside));
        }
    }

    [Fact]
    public async Task CVE_2024_45310_2026_87766_directories_for_mounts_are_not_made_on_the_host()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory), outside = directory.Make("outside");
        directory.Link("root/escape", outside);
        directory.Link("root/up", "../outside");
        foreach ((string destination, string inside) in new[] { ("/escape/made/deep", outside), ("/up/made/deep", "/outside") })
        {
            // The link leads to a place that does not exist inside the root: it is made there.
            string type = await InRoot(root, "/bin/sh", "-c", $"stat -f -c %T {inside}/made/deep").AddMount(new TmpfsMount(destination))
                .OutputAsync();
            Assert.Equal("tmpfs", type);
            Assert.True(Directory.Exists($"{root}{inside}/made/deep"));
            Assert.Empty(Directory.GetFileSystemEntries(outside));
        }
    }

    [Fact]
    public async Task Links_inside_the_root_work_so_that_var_run_may_be_run()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/run");
        directory.Make("root/var");
        directory.Link("root/var/run", "/run");
        Assert.Equal("tmpfs",
            await InRoot(root, "/bin/sh", "-c", "stat -f -c %T /run/made").AddMount(new TmpfsMount("/var/run/made")).OutputAsync());
        Assert.True(Directory.Exists(Path.Combine(root, "run/made")));
    }

    [Fact]
    public async Task CVE_2025_31133_masks_come_from_our_own_null_device_whatever_the_image_has_in_dev()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/dev");
        directory.Link("root/dev/null", "/etc/shadow");
        directory.Write("root/secret", "secret");
        string output = await InRoot(root, "/bin/sh", "-c", "stat -c %t:%T:%F /secret; cat /secret; stat -c %t:%T /dev/null")
            .AddMaskedPath("/secret").OutputAsync();
        Assert.Equal("1:3:character special file\n1:3", output);
        // Without a /dev of ours the host's null device is taken, still not what the image has under that name.
        output = await InRoot(root, "/bin/sh", "-c", "stat -c %t:%T:%F /secret; cat /secret").WithMounts(new ProcMount()).WithHostPrograms()
            .AddMaskedPath("/secret").OutputAsync();
        Assert.Equal("1:3:character special file", output);
    }

    [Fact]
    public async Task CVE_2025_52565_the_console_is_the_containers_own_terminal()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/dev");
        directory.Link("root/dev/console", "/proc/sysrq-trigger");
        await using Container process = await InRoot(root, "/bin/sh", "-c",
            "[ $(stat -c %t:%T /dev/console) = $(stat -c %t:%T $(tty)) ] && echo same; readlink /dev/console || echo no link")
            .WithTerminal().StartAsync();
        var buffer = new byte[200];
        var output = new System.Text.StringBuilder();
        while (!output.ToString().Contains("link"))
            output.Append(System.Text.Encoding.ASCII.GetString(buffer, 0, process.Terminal!.Stream.Read(buffer)));
        Assert.Contains("same\r\nno link", output.ToString());
    }

    [Fact]
    public async Task CVE_2025_52881_settings_are_written_to_the_file_meant_whatever_the_image_places_over_proc()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        string trap = directory.Write("trap", "untouched");
        ContainerBuilder builder = InRoot(root, "/bin/cat", "/proc/sys/net/ipv4/ip_forward")
            .AddMount(new BindMount(trap, "/proc/sys/net/ipv4/ip_forward")).AddSysctl("net.ipv4.ip_forward", "1");
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => builder.StartAsync());
        Assert.Equal(Errno.EXDEV, e.Errno);
        Assert.Equal("untouched", File.ReadAllText(trap));
    }

    [Theory]
    [InlineData("kernel.core_pattern")]
    [InlineData("kernel.modprobe")]
    [InlineData("vm.overcommit_memory")]
    [InlineData("net/../kernel/core_pattern")]
    [InlineData("net..kernel.core_pattern")]
    [InlineData("kernel.shm_rmid_forced+x")]
    public void CVE_2022_0811_only_settings_of_own_namespaces_are_taken(string name)
    {
        SpecException e = Assert.Throws<SpecException>(() => Box.Builder("/bin/true").AddSysctl(name, "|/evil").Build());
        Assert.Equal("linux.sysctl", e.Faults[0].Path);
        Assert.Throws<SpecException>(() => Box.Builder("/bin/true").WithNamespacesSharedWithHost(NamespaceKinds.Net)
            .AddSysctl("net.ipv4.ip_forward", "1").Build());
    }

    [Fact]
    public async Task CVE_2022_29162_nothing_is_inheritable_unless_asked()
    {
        string sets = await Box.Shell("sed -nE 's/^Cap(Inh|Amb):\\s*//p' /proc/self/status").OutputAsync();
        Assert.Equal("0000000000000000\n0000000000000000", sets);
        var asked = new CapabilityState(CapabilitySet.DockerDefault, CapabilitySet.DockerDefault, CapabilitySet.DockerDefault,
            CapabilitySet.Of(Capability.Kill), CapabilitySet.Of(Capability.Kill));
        Assert.Equal("0000000000000020\n0000000000000020",
            await Box.Shell("sed -nE 's/^Cap(Inh|Amb):\\s*//p' /proc/self/status").WithCapabilities(asked).OutputAsync());
    }

    [Fact]
    public async Task CVE_2016_3697_2026_30892_a_number_is_never_a_name_and_a_name_never_a_number()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Write("root/etc/passwd", "root:x:0:0::/:/bin/sh\n1000:x:0:0::/:/bin/sh\n12x:x:7:8::/seven:/bin/sh\n");
        Assert.Equal("1000:0", await InRoot(root, "/bin/sh", "-c", "echo $(id -u):$(id -g)").WithUser("1000").OutputAsync());
        Assert.Equal("7:8:/seven", await InRoot(root, "/bin/sh", "-c", "echo $(id -u):$(id -g):$HOME").WithUser("12x").OutputAsync());
        foreach (string bad in new[] { "1000abc", "+5", "-1", "4294967295", "99999999999", "0x10" })
            await Assert.ThrowsAsync<SpecException>(() => InRoot(root, "/bin/true").WithUser(bad).StartAsync());
    }

    [Fact]
    public async Task User_files_of_the_root_cannot_lead_out_or_hang()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        directory.Make("root/etc");
        string outside = directory.Write("passwd", "victim:x:4711:4711::/:/bin/sh\n");
        directory.Link("root/etc/passwd", outside);
        await Assert.ThrowsAsync<SpecException>(() => InRoot(root, "/bin/true").WithUser("victim").StartAsync());
        File.Delete(Path.Combine(root, "etc/passwd"));
        Assert.Equal(0, Host.Run("mkfifo", Path.Combine(root, "etc/passwd")).Code);
        await Assert.ThrowsAsync<SpecException>(() => InRoot(root, "/bin/true").WithUser("victim").StartAsync());
    }

    [Fact]
    public async Task CVE_2017_5226_the_program_is_in_a_session_of_its_own()
    {
        Assert.Equal("2 1",
            await Box.Shell("cut -d' ' -f6 /proc/self/stat > /dev/null; ps -o sid=,tpgid= -p $$ | awk '{print $1, ($2 == -1)}'")
                .OutputAsync());
    }

    [Fact]
    public async Task CVE_2016_9962_a_joining_process_cannot_be_traced_from_inside()
    {
        // The steps before the namespaces are entered make the process undumpable, so that even the container's root is refused.
        await using Container target = await Box.Builder("/bin/sleep", "1000").StartAsync();
        LaunchPlan plan = Box.Builder("/bin/true").AddJoinedNamespaces(NamespaceKinds.Pid | NamespaceKinds.Net, target).Plan();
        LaunchStep[] steps = [.. plan.Steps];
        int forbid = Array.FindIndex(steps, s => s.Action == "forbid tracing of");
        int join = Array.FindIndex(steps, s => s.Action.StartsWith("join the", StringComparison.Ordinal));
        Assert.Equal(LaunchForm.Sealed, plan.Form);
        Assert.InRange(forbid, 0, join - 1);
    }

    [Fact]
    public async Task CVE_2014_8989_setgroups_is_denied_before_a_single_group_is_mapped()
    {
        LaunchPlan plan = Box.Builder("/bin/cat", "/proc/self/setgroups")
            .WithUserNamespace(IdMap.Single(0, HostFacts.Current.UserId), IdMap.Single(0, HostFacts.Current.GroupId)).Plan();
        LaunchStep[] steps = [.. plan.Steps];
        Assert.InRange(Array.FindIndex(steps, s => s.Action == "deny"), 0, Array.FindIndex(steps, s => s.Action == "map group ids") - 1);
        await using Container process = await new ContainerBuilder(plan.Spec).WithStandardOutput(Stdio.Pipe).StartAsync();
        Assert.Equal("deny", (await new StreamReader(process.StandardOutput!).ReadToEndAsync()).Trim());
    }

    [Fact]
    public async Task CVE_2023_25809_no_cgroup_tree_of_the_host_is_mounted()
    {
        // What is seen is the container's own control group, as a root, and read-only;
        // no hierarchy of version 1, whose release_agent is another way out.
        string seen = await Box.Shell("grep cgroup /proc/self/mountinfo | cut -d' ' -f4-6,8-; cat /proc/self/cgroup | tail -1; "
            + "ls -d /sys/fs/cgroup/*/ 2>/dev/null; mkdir /sys/fs/cgroup/x 2>&1; echo 1 > /sys/fs/cgroup/cgroup.procs; "
            + "find / -xdev -name release_agent 2>/dev/null; true")
            .RunAndReadAsync() is (_, var output)
            ? output
            : "";
        Assert.StartsWith("/ /sys/fs/cgroup ro,", seen);
        Assert.DoesNotContain("release_agent", seen);
        Assert.Contains("0::/\n", seen);
        Assert.Contains("Read-only file system", seen);
        Assert.DoesNotContain("/sys/fs/cgroup/system.slice", seen);
    }

    [Fact]
    public async Task Set_user_id_programs_gain_nothing()
    {
        Host.NeedsRoot();
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        File.Copy("/usr/bin/id", Path.Combine(root, "id"));
        File.SetUnixFileMode(Path.Combine(root, "id"), UnixFileMode.SetUser | (UnixFileMode)0b111_101_101);
        Assert.Equal("65534", await InRoot(root, "/id", "-u").WithUser(65534, 65534).OutputAsync());
        Assert.Equal("0", await InRoot(root, "/id", "-u").WithUser(65534, 65534).AllowNewPrivileges().OutputAsync());
    }

    [Fact]
    public async Task Sibling_containers_do_not_see_each_other()
    {
        await using Container other = await Box.Builder("/bin/sleep", "1000").StartAsync();
        Assert.Equal("0", await Box.Shell("cat /proc/[0-9]*/cmdline | tr '\\0' ' ' | grep -c 'sleep 1[0]00'; true").OutputAsync());
    }
}
