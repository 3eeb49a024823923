using System.Text.RegularExpressions;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Launcher;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>Every line of docs/errors.md is what really comes.</summary>
public class ErrorTableTests
{
    private static readonly Dictionary<string, string> s_table = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "errors.md"))
        .Where(l => l.StartsWith("| ", StringComparison.Ordinal) && !l.StartsWith("| When", StringComparison.Ordinal))
        .Select(l => l.Split(" | ", 2)).ToDictionary(c => c[0].TrimStart('|', ' '), c => c[1].TrimEnd('|', ' ').Replace("`", ""));

    [Theory]
    [InlineData("the root does not exist")]
    [InlineData("the source of a mount does not exist")]
    [InlineData("the command is not in PATH")]
    [InlineData("the command is a path that does not exist")]
    [InlineData("the command is not executable")]
    [InlineData("the command is a directory")]
    [InlineData("the user is unknown")]
    [InlineData("the group is unknown")]
    [InlineData("the working directory does not exist")]
    [InlineData("a namespace of a process that does not exist is joined")]
    [InlineData("a process whose namespace is joined has ended")]
    [InlineData("a host name is too long")]
    [InlineData("several things are wrong")]
    [InlineData("a setting of the kernel does not exist")]
    [InlineData("user namespaces are switched off")]
    [InlineData("AppArmor restricts user namespaces")]
    [InlineData("the host's user namespace is asked for by an ordinary user")]
    [InlineData("the host's user namespace is asked for inside a user namespace")]
    [InlineData("shared propagation is asked for with a user namespace")]
    [InlineData("an overlay has more layers than the kernel takes")]
    [InlineData("a working directory to be made is too deep")]
    [InlineData("several ids are to be mapped without newuidmap")]
    [InlineData("a capability is wanted that this process does not have")]
    [InlineData("a limit is set and no control group is delegated")]
    [InlineData("a controller is not there")]
    [InlineData("nothing would tell a container's processes from others'")]
    [InlineData("version 1 cannot enforce a limit")]
    [InlineData("a limit leaves no room for a process")]
    [InlineData("a filter's default action is a notification")]
    [InlineData("version 1 cannot enforce a limit of swap alone")]
    [InlineData("a Landlock right is required that the kernel lacks")]
    [InlineData("a path of a Landlock rule does not exist")]
    [InlineData("a system call is misspelt")]
    [InlineData("an AppArmor profile is asked for without AppArmor")]
    [InlineData("the filter does not let the program be executed")]
    [InlineData("the filter is too long")]
    [InlineData("a bridge network is asked for by an ordinary user")]
    [InlineData("a port is published without a network")]
    [InlineData("no user-mode stack is installed")]
    [InlineData("pasta is asked for and not installed")]
    [InlineData("an egress policy is given to a container that could change it")]
    [InlineData("a container that is only run has a pipe")]
    [InlineData("a specification is of another version")]
    [InlineData("a specification has a property that none has")]
    [InlineData("two secrets have one name")]
    public async Task The_text_is_as_documented(string situation)
    {
        Exception e = Assert.IsAssignableFrom<Exception>(await Record.ExceptionAsync(() => Provoke(situation)));
        Check(situation, e.Message);
    }

    [Fact]
    public async Task An_id_map_that_is_not_granted_is_refused()
    {
        Host.NeedsOrdinaryUser();
        Host.NeedsTool("newuidmap");
        var map = new IdMap(new IdMapRange(0, 4_000_000_000, 10));
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/true")
            .WithUserNamespace(map, map).StartAsync());
        Check("an id map is not granted", Regex.Replace(e.Message, " newuidmap said: .*", ""));
    }

    [Fact]
    public async Task A_source_out_of_reach_is_refused()
    {
        Host.NeedsOrdinaryUser();
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/true").AddMount(new TmpfsMount("/run"))
            .AddMount(new BindMount("/root/secret", "/run/secret")).StartAsync());
        Check("this user may not reach the source of a mount", e.Message);
    }

    [Fact]
    public void A_thread_that_cannot_be_had_is_told()
    {
        Host.NeedsOrdinaryUser(); // setrlimit(2): RLIMIT_NPROC holds for nobody with CAP_SYS_RESOURCE
        (_, string output) = Host.Run("dotnet", Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll"), "--thread-refused");
        Check("no thread can be had", output.TrimEnd());
    }

    [Fact]
    public void A_lock_of_networks_that_is_never_given_back_is_told_in_time()
    {
        Host.NeedsRoot();
        Host.NeedsTool("flock");
        using var directory = new TemporaryDirectory();
        string launcher = Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll");
        // flock(1) has the lock as long as its command runs.
        string script = $"export ISOLATION_NETWORKS={directory.Path}; state={directory.Path}/run/net-$(stat -L -c %i /proc/self/ns/net); "
            + $"mkdir -p $state && exec flock $state/lock dotnet {launcher} network rm late";
        (int code, string output) = Host.Run("sh", "-c", script);
        Assert.Equal(125, code);
        string told = output.TrimEnd()["isolation: ".Length..];
        Check("a lock of networks is not given back", Regex.Replace(told, "\"/.*/lock\"", "\"/run/isolation/net-N/lock\""));
    }

    [Theory]
    [InlineData("a flag does not exist", "--frobnicate")]
    [InlineData("a flag is not built yet", "--link", "other")]
    [InlineData("a rate is malformed", "--net-egress", "fast", "true")]
    [InlineData("a flag lacks its value", "--hostname")]
    [InlineData("a capability is unknown", "--cap-add", "NET_RAWR", "true")]
    [InlineData("a volume is malformed", "-v", "/only-one", "true")]
    [InlineData("an id map is malformed", "--userns", "0:1", "true")]
    [InlineData("a user whose ids are to be mapped is granted none", "--userns", "no-such-user", "true")]
    [InlineData("a limit is malformed", "--ulimit", "nofile=lots", "true")]
    [InlineData("there is no command", "--read-only")]
    [InlineData("a limit is below the kernel's least", "--cpu-quota", "500", "true")]
    [InlineData("the value of a flag is refused by the container's rules", "-w", "relative", "true")]
    public void The_command_line_is_answered_as_documented(string situation, params string[] arguments) =>
        Check(situation, Assert.Throws<UsageException>(() => RunFlags.Parse(arguments).MakePlan()).Message);

    private static Task<Container> StartParsed(string json) => new ContainerBuilder(ContainerSpec.Parse(json)).StartAsync();

    private static Task<Container> Provoke(string situation)
    {
        ContainerBuilder builder = Box.Builder("/bin/true");
        HostFacts ordinary = HostFacts.Current with
        { UserId = 1000, GroupId = 1000, Capabilities = CapabilitySet.None, NewUidMap = null, NewGidMap = null };
        return situation switch
        {
            "the root does not exist" => new ContainerBuilder(Rootfs.Directory("/no/such/root")).StartAsync(),
            "the source of a mount does not exist" =>
                builder.AddMount(new TmpfsMount("/run")).AddMount(new BindMount("/no/such/source", "/run/here")).StartAsync(),
            "the command is not in PATH" => Box.Builder("no-such-command").StartAsync(),
            "the command is a path that does not exist" => Box.Builder("/no/such/command").StartAsync(),
            "the command is not executable" => Box.Builder("/etc/passwd").StartAsync(),
            "the command is a directory" => Box.Builder("/etc").StartAsync(),
            "a Landlock right is required that the kernel lacks" =>
                builder.WithLandlock(LandlockRuleset.Restrict(new LandlockRights(LandlockFileAccess.None,
                    LandlockNetAccess.BindUdp | LandlockNetAccess.ConnectSendUdp)))
                    .Build().Plan(HostFacts.Current with { LandlockAbi = 7 }).StartAsync(),
            "a path of a Landlock rule does not exist" =>
                builder.WithLandlock(LandlockRuleset.Everything.Allow(LandlockFileAccess.Read, "/no/such/path")).StartAsync(),
            "a system call is misspelt" => builder.WithSeccomp(SeccompFilter.Default.Add(SeccompAction.Deny, "ptrac")).StartAsync(),
            "an AppArmor profile is asked for without AppArmor" => builder.WithAppArmorProfile("jobs").Build()
                .Plan(HostFacts.Current with { SecurityModules = ["capability", "landlock"] }).StartAsync(),
            "a specification is of another version" => StartParsed("""{ "version": 2 }"""),
            "a specification has a property that none has" => StartParsed(
                builder.Build().Spec.ToJson().Replace("\"umask\"", "\"unmask\"", StringComparison.Ordinal)),
            "two secrets have one name" => builder.AddSecret("token", "1").AddSecret("token", "2").StartAsync(),
            "the filter does not let the program be executed" => builder.WithSeccomp(SeccompFilter.Strict).StartAsync(),
            "the filter is too long" => builder.WithSeccomp(SeccompFilter.Of(SeccompAction.Allow).WithRules(Enumerable.Range(0, 6000)
                .Select(i => new SeccompRule("ioctl", SeccompAction.Deny, [SeccompCondition.Equal(1, (ulong)i * 3)])), [])).StartAsync(),
            "the user is unknown" => builder.WithUser("no-such-user").StartAsync(),
            "the group is unknown" => builder.WithUser("root:no-such-group").StartAsync(),
            "the working directory does not exist" => builder.WithWorkingDirectory("/no/such/directory").StartAsync(),
            "a namespace of a process that does not exist is joined" =>
                builder.AddJoinedNamespaces(NamespaceKinds.Net, 4_000_000).StartAsync(),
            "a process whose namespace is joined has ended" => builder.AddJoinedNamespaces(NamespaceKinds.User, Ended()).StartAsync(),
            "a host name is too long" => builder.WithHostName(new string('x', 65)).StartAsync(),
            "several things are wrong" => Box.Builder("").WithWorkingDirectory("relative").AddMount(new TmpfsMount("/a/../b"))
                .WithOomScoreAdj(5000).StartAsync(),
            "a setting of the kernel does not exist" => builder.AddSysctl("net.ipv4.no_such_setting", "1").StartAsync(),
            "user namespaces are switched off" =>
                Planned(builder, ordinary with
                {
                    UserNamespaceObstacle = "user.max_user_namespaces is 0",
                    UserNamespaceRemedy = "Set it: sysctl user.max_user_namespaces=15000."
                }),
            "AppArmor restricts user namespaces" => Planned(builder, ordinary with
            {
                UserNamespaceObstacle = "AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
                UserNamespaceRemedy =
                    "Give the program an AppArmor profile with \"userns,\", or run sysctl kernel.apparmor_restrict_unprivileged_userns=0.",
            }),
            "the host's user namespace is asked for by an ordinary user" =>
                Planned(builder.WithUserNamespace(UserNamespaceMode.Host), ordinary),
            "the host's user namespace is asked for inside a user namespace" =>
                Planned(builder.WithUserNamespace(UserNamespaceMode.Host),
                    HostFacts.Current with { Capabilities = CapabilitySet.All, IsInitialUserNamespace = false }),
            "shared propagation is asked for with a user namespace" => builder.WithUserNamespace(UserNamespaceMode.New)
                .AddMount(new BindMount("/srv", "/srv") { Propagation = MountPropagation.Shared }).StartAsync(),
            "an overlay has more layers than the kernel takes" =>
                Planned(new ContainerBuilder(Rootfs.Overlay(Enumerable.Range(0, 130).Select(i => $"/layers/{i}")))
                    .WithCommand("/bin/true"), HostFacts.Current with { Kernel = new KernelVersion(6, 1) }),
            "a working directory to be made is too deep" => builder
                .WithWorkingDirectory(string.Concat(Enumerable.Repeat("/d", 3000)), create: true).StartAsync(),
            "several ids are to be mapped without newuidmap" =>
                Planned(builder.WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536")), ordinary),
            "a capability is wanted that this process does not have" =>
                Planned(builder.WithUserNamespace(UserNamespaceMode.Host).WithCapabilities(CapabilitySet.Of(Capability.SysTime)),
                    ordinary with { Capabilities = CapabilitySet.Of(Capability.SysAdmin) }),
            "a limit is set and no control group is delegated" => Planned(builder.WithPidsMax(10), ordinary with
            {
                Cgroups = new CgroupFacts
                {
                    Hierarchies = s_unified,
                    Obstacle = "the control group \"/user.slice\" of this process is not delegated to its user, or is mounted read-only",
                    Remedy = "Start the program by systemd-run --user --scope -p Delegate=yes PROGRAM; "
                        + "or have root make a control group, give it away by CgroupV2.Delegate and start the program in it."
                },
            }),
            "a controller is not there" => Planned(builder.WithMemoryMax(ByteSize.FromMebibytes(1)),
                ordinary with { Cgroups = new CgroupFacts { Hierarchies = s_unified, Parent = "/user.slice", Controllers = ["pids"] } }),
            "nothing would tell a container's processes from others'" => Planned(builder.WithNamespacesSharedWithHost(NamespaceKinds.Pid)
                .WithCgroup(CgroupUse.SharedWithParent).WithUserNamespace(UserNamespaceMode.Host).WithSeccompUnconfined(),
                ordinary with { Capabilities = HostFacts.Current.KnownCapabilities, Cgroups = s_version1 }),
            "a limit leaves no room for a process" => builder.WithPidsMax(0).StartAsync(),
            "a filter's default action is a notification" =>
                builder.WithSeccomp(SeccompFilter.Of(SeccompAction.UserNotify).Allow("execve")).StartAsync(),
            "version 1 cannot enforce a limit" => Planned(builder.WithMemoryHigh(ByteSize.FromMebibytes(1)),
                ordinary with { Cgroups = s_version1 }),
            "version 1 cannot enforce a limit of swap alone" =>
                Planned(builder.WithMemorySwapMax(new(0)), ordinary with { Cgroups = s_version1 }),
            "a bridge network is asked for by an ordinary user" => Planned(builder.WithNetwork("web"), ordinary),
            "a port is published without a network" => builder.AddPublishedPort("80:80").StartAsync(),
            "no user-mode stack is installed" =>
                Planned(builder.WithNetwork(ContainerNetwork.UserMode), ordinary with { Pasta = null, Slirp4netns = null }),
            "pasta is asked for and not installed" => Planned(builder.WithNetwork(new UserModeNetwork { Stack = UserModeStackKind.Pasta }),
                ordinary with { Pasta = null, Slirp4netns = "/usr/bin/slirp4netns" }),
            "an egress policy is given to a container that could change it" =>
                builder.WithEgress(EgressPolicy.DenyAll).WithCapabilities(CapabilitySet.Of(Capability.NetAdmin)).StartAsync(),
            "a container that is only run has a pipe" => Unattended(builder.WithStandardOutput(Stdio.Pipe)),
            _ => throw new ArgumentOutOfRangeException(nameof(situation), situation, null),
        };
    }

    private static async Task<Container> Unattended(ContainerBuilder builder) =>
        throw new InvalidOperationException($"It was run: {await builder.RunAsync()}");

    private static readonly CgroupFacts s_version1 = new()
    {
        Hierarchies = CgroupHierarchies.Parse("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/\n"),
    };

    private static PidHandle Ended()
    {
        using System.Diagnostics.Process process = System.Diagnostics.Process.Start("/bin/sleep", "0.2");
        PidHandle handle = PidHandle.Open(process.Id);
        process.WaitForExit();
        return handle;
    }

    private static readonly CgroupHierarchies s_unified = new() { V2 = new CgroupMount("/sys/fs/cgroup", "/user.slice") };

    private static Task<Container> Planned(ContainerBuilder builder, HostFacts facts) => builder.Build().Plan(facts).StartAsync();

    internal static void Check(string situation, string message)
    {
        // What depends on the host: the number of steps, and of the process.
        message = Regex.Replace(message, "process [0-9]+", "process PID");
        string text = Regex.Replace(message.Replace("\n  ", "<br>"), "step [0-9]+ of [0-9]+", "step N of M");
        text = Regex.Replace(Regex.Replace(text, "this is [0-9]+\\.[0-9]+", "this is KERNEL"), " \\(Parameter '[^']+'\\)", "");
        Assert.True(s_table.TryGetValue(situation, out string? documented), $"docs/errors.md has no line: | {situation} | `{text}` |");
        Assert.Equal(documented, text);
    }
}
