using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>Containers that are started by root of a user namespace, whose capabilities hold for what belongs to that namespace:
/// capabilities(7), user_namespaces(7).</summary>
public class NestedTests
{
    private const string What = "echo $(id -u); cat /proc/self/uid_map | tr -s ' '; mount | grep -c ' on /dev/null \\| on /dev/pts '; "
        + "echo x > /tmp/x && cat /tmp/x; [ -d /proc/self ] && echo proc";

    private static readonly string s_launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");

    [Theory]
    [InlineData("-rm")]
    [InlineData("-rmpf", "--mount-proc")]
    [InlineData("-rmn", "-u", "-i")]
    public void A_container_starts_in_a_user_namespace_of_unshare(params string[] flags)
    {
        (int code, string output) = Host.Run("unshare", [.. flags, "dotnet", s_launcher, "run", "sh", "-c", What]);
        Assert.Equal((0, "0\n 0 0 1\n2\nx\nproc\n"), (code, output));
    }

    [Fact]
    public void What_belongs_to_the_host_is_refused_with_the_reason()
    {
        void Refused(string expected, params string[] flags)
        {
            (int code, string output) = Host.Run("unshare", ["-rm", "dotnet", s_launcher, "run", .. flags, "true"]);
            Assert.Equal(125, code);
            Assert.Contains(expected, output);
            Assert.Single(output.Split('\n', StringSplitOptions.RemoveEmptyEntries));
        }

        const string Reason = "this process is in a user namespace, and its CAP_SYS_ADMIN holds for that only";
        Refused(Reason, "--network", "nested");
        Refused(Reason, "--userns", "host");
        if (Host.IsRoot) // to others no control group is delegated, which is told first
            Refused("CAP_SYS_ADMIN in the initial user namespace", "--device-cgroup-rule", "c 1:3 r");
        Refused("Lowering it needs CAP_SYS_RESOURCE in the initial user namespace", "--oom-score-adj", "-900");
    }

    [Theory]
    [InlineData("mount -t tmpfs none /sys/fs/cgroup", null)]
    [InlineData("mount -t tmpfs none /dev/pts", null)]
    [InlineData("mount -t tmpfs none /sys", "a host /sys with nothing mounted over its files")]
    [InlineData("mount -t tmpfs none /proc/fs", "a host proc with nothing mounted over its files")]
    [InlineData("mount -t tmpfs none /dev", "this /dev lacks one of null, zero")]
    public void Where_a_mount_hides_a_part_of_the_host_a_container_starts_or_one_error_names_the_remedy(string hide, string? error)
    {
        (int code, string output) = Host.Run("unshare", "-rm", "sh", "-c", $"{hide} && exec dotnet {s_launcher} run sh -c 'echo in'");
        if (error is null)
            Assert.Equal((0, "in\n"), (code, output));
        else
            Assert.True(code == 125 && output.Contains(error) && output.TrimEnd('\n').Split('\n').Length == 1, output);
    }

    [Theory]
    [InlineData("mount -t tmpfs none /sys")]
    [InlineData("mount -t tmpfs none /sys/fs/cgroup")]
    [InlineData("umount -l /dev/pts")]
    [InlineData("mount -t tmpfs none /dev")]
    [InlineData("mount -t tmpfs none /proc/fs")]
    public void To_the_hosts_root_it_hides_nothing(string hide)
    {
        Host.NeedsRoot();
        Assert.Equal((0, "in\n"), Host.Run("unshare", "-m", "sh", "-c", $"{hide} && exec dotnet {s_launcher} run sh -c 'echo in'"));
    }

    [Fact]
    public async Task A_container_starts_in_a_container_of_our_own() =>
        Assert.Equal("0\n 0 0 1\nproc", await Outer("sh", "-c", "id -u; cat /proc/self/uid_map | tr -s ' '; [ -d /proc/self ] && echo proc")
            .WithUserNamespace(IdMap.Single(0, Id("-u")), IdMap.Single(0, Id("-g"))).OutputAsync());

    /// <summary>The words by which a container of the launcher starts another one.</summary>
    private static readonly string[] s_again =
    [
        "--privileged", "-v", "/sdk:/sdk", "-v", "/app:/app", "--tmpfs", "/run", "--tmpfs", "/tmp", "-e", "DOTNET_ROOT=/sdk",
        "-e", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT=1", "/sdk/dotnet", "/app/Isolation.Launcher.dll", "run",
    ];

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Containers_start_two_levels_deep(bool userNamespace)
    {
        if (!userNamespace)
            Host.NeedsRoot();
        ContainerBuilder Level(params string[] words)
        {
            ContainerBuilder outer = Outer([.. words, "sh", "-c", "echo deep $(id -u) /proc/[0-9]*"]);
            return userNamespace ? outer.WithUserNamespace(IdMap.Single(0, Id("-u")), IdMap.Single(0, Id("-g"))) : outer;
        }

        Assert.Equal("deep 0 /proc/1 /proc/2", (await Level().OutputAsync()).Split('\n')[^1]);
        (ContainerResult result, string output) = await Level([.. s_again]).RunAndReadAsync();
        // In a user namespace the root is made of mounts; of overlays the kernel stacks two.
        if (userNamespace)
            Assert.EndsWith("deep 0 /proc/1 /proc/2\n", output);
        else
            Assert.True(result.Status.Code == 125 && output.Contains("can be no layer of a third one"), output);
    }

    [Fact]
    public async Task Limits_hold_inside_where_controllers_are_delegated_and_are_refused_elsewhere()
    {
        Host.NeedsRoot();
        (ContainerResult result, string output) = await Outer("--memory", "64m", "--pids-limit", "77", "sh", "-c",
            "cat /sys/fs/cgroup/memory.max /sys/fs/cgroup/pids.max").RunAndReadAsync();
        if (HostFacts.Current.Cgroups.Mode == Isolation.Cgroups.CgroupMode.Unified)
            Assert.EndsWith("67108864\n77\n", output);
        else // version 1's hierarchies are not seen inside
            Assert.True(result.Status.Code == 125
                && output.Contains("pids is not available below") && output.Contains("Delegate=pids"), output);
    }

    [Fact]
    public async Task Where_the_user_namespace_has_several_ids_all_can_be_used()
    {
        string[] output = (await Outer("-u", "33", "sh", "-c", "id -u; cat /proc/self/uid_map | tr -s ' '; echo done > /dev/stdout")
            .WithRanges().OutputAsync()).Split('\n');
        Assert.Equal(("33", "done"), (output[0], output[^1]));
        // The numbers are those of the outer container.
        string[][] map = [.. output[1..^1].Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))];
        Assert.All(map, range => Assert.Equal(range[0], range[1]));
        Assert.True(map.Sum(range => uint.Parse(range[2], CultureInfo.InvariantCulture)) > 60_000);
    }

    // The outer one hides nothing of proc: the kernel gives no new proc else, nor to any other tool.
    private static ContainerBuilder Outer(params string[] run)
    {
        return Box.Builder(["/sdk/dotnet", "/app/Isolation.Launcher.dll", "run", .. run])
            .AddMount(new TmpfsMount("/run")).AddMount(new TmpfsMount("/tmp")).AddMount(new TmpfsMount("/sdk"))
                .AddMount(new TmpfsMount("/app"))
            .AddMount(new BindMount(Box.Sdk, "/sdk", MountFlags.ReadOnly))
                .AddMount(new BindMount(AppContext.BaseDirectory, "/app", MountFlags.ReadOnly))
            .AddEnvironment("DOTNET_ROOT", "/sdk").AddEnvironment("DOTNET_SYSTEM_GLOBALIZATION_INVARIANT", "1").WithPrivileged();
    }

    private static uint Id(string flag) => uint.Parse(Host.Run("id", flag).Output, CultureInfo.InvariantCulture);

    [Fact]
    public void A_mount_that_is_made_later_breaks_no_start()
    {
        string? directory = new[] { "/srv", "/opt", "/media", "/mnt", "/home" }
            .FirstOrDefault(d => new DirectoryInfo(d) is { Exists: true, LinkTarget: null }
            && !MountInfo.Read().Any(m => m.MountPoint.StartsWith(d, StringComparison.Ordinal)));
        Assert.SkipUnless(directory is not null, "needs a directory of the root without mounts");
        (int code, string output) = Host.Run("unshare", Host.IsRoot ? "-m" : "-rm", "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll"), "--mount-between-starts", directory!);
        string[] lines = output.TrimEnd('\n').Split('\n');
        Assert.Equal((0, "exited with code 0", "new", "exited with code 0"),
            (code, lines.First(l => l.StartsWith("exited", StringComparison.Ordinal)), lines[^2], lines[^1]));
    }
}
