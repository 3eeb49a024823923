using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers.Tests;

/// <summary>Plans of imaginary hosts: pure, the same everywhere, reviewed as texts.</summary>
public class PlanTests
{
    internal static readonly HostFacts Root = new()
    {
        LandlockAbi = 7,
        Kernel = new KernelVersion(6, 12),
        Architecture = Architecture.X64,
        UserId = 0,
        GroupId = 0,
        Capabilities = new CapabilitySet(0x1ffffffffff),
        Bounding = new CapabilitySet(0x1ffffffffff),
        KnownCapabilities = new CapabilitySet(0x1ffffffffff),
        ExecutableOwner = 0,
        FindDevice = path => path == "/dev/fuse" ? DeviceRule.Parse("c 10:229 rwm") : null,
        Cgroups = new CgroupFacts
        {
            Hierarchies = new CgroupHierarchies { V2 = new CgroupMount("/sys/fs/cgroup", "/system.slice/app.service") },
            Controllers = ["cpuset", "cpu", "io", "memory", "hugetlb", "pids"],
            Enabled = ["cpu", "io", "pids"],
        },
        RootEntries = [new("bin", "usr/bin", false), new("dev", null, true), new("etc", null, false), new("mnt", null, true),
            new("proc", null, true), new("sys", null, true), new("tmp", null, false), new("usr", null, false)],
    };

    internal static readonly HostFacts Ordinary = Root with
    {
        UserId = 1000,
        GroupId = 1000,
        Capabilities = CapabilitySet.None,
        NewUidMap = "/usr/bin/newuidmap",
        NewGidMap = "/usr/bin/newgidmap",
        SubUserIds = [new(100_000, 65_536)],
        SubGroupIds = [new(100_000, 65_536)],
        Cgroups = Root.Cgroups with { Obstacle = "it is not delegated", Remedy = "delegate it" },
    };

    private static readonly HostFacts s_hybrid = Root with
    {
        Cgroups = new CgroupFacts
        {
            Hierarchies = CgroupHierarchies.Parse(
                string.Concat(new[] { "cpu,cpuacct", "cpuset", "memory", "blkio", "pids", "devices", "freezer" }
                    .Select((c, i) => $"{40 + i} 30 0:{40 + i} / /sys/fs/cgroup/{c} rw - cgroup cgroup rw,{c}\n"))
                    + "50 30 0:50 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n",
                "3:memory:/outer\n2:cpu,cpuacct:/\n4:cpuset:/\n5:blkio:/\n6:pids:/\n7:devices:/\n8:freezer:/\n0::/\n"),
            Controllers = ["hugetlb"],
            V1Cpus = "0-3",
            V1Mems = "0",
        },
    };

    private static readonly CgroupSettings s_limits = CgroupSettings.None
        .WithMemoryMax(ByteSize.FromMebibytes(64)).WithMemorySwapMax(new(0)).WithCpus(0.75)
        .WithCpuShares(512).WithCpusetCpus(0, 1).WithPidsMax(100)
        .WithIoMax(new DeviceNumber(8, 0), new IoMax { ReadBytesPerSecond = 1 << 20, WriteOperationsPerSecond = CgroupLimit.Max });

    // A handle of a process that nothing is asked of.
    private static readonly PidHandle s_other = new(descriptor: -1, processId: 4711);

    private static readonly ContainerBuilder s_builder = new ContainerBuilder(Rootfs.Directory("/srv/root"))
        .WithCommand("/bin/app", "argument").WithHostName("box");

    public static TheoryData<string> Names => [.. s_plans.Keys];

    private static readonly Dictionary<string, Func<LaunchPlan>> s_plans = new()
    {
        ["root-in-memory"] = () => s_builder.WithLaunchForm(LaunchForm.InMemory).Build().Plan(Root),
        ["root-sealed-init-terminal"] = () => s_builder.WithInit().WithTerminal().Build().Plan(Root),
        ["root-user-namespace"] = () => s_builder.WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536"))
            .WithUser(33, 33).AddMount(new BindMount("/data", "/data")).Build().Plan(Root),
        ["ordinary-single-id-host-root"] = () => new ContainerBuilder(Rootfs.Host).WithCommand("app").Build().Plan(Ordinary),
        ["ordinary-ranges"] = () => s_builder.AddGroup("5").Build().Plan(Ordinary),
        ["root-joined"] = () => s_builder.AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Pid, s_other).Build().Plan(Root),
        ["root-limits"] = () => s_builder.WithLaunchForm(LaunchForm.InMemory).WithResources(s_limits).WithName("job-1")
            .WithDelegatedCgroup().Build().Plan(Root),
        ["root-limits-hybrid"] = () => s_builder.WithLaunchForm(LaunchForm.InMemory).WithResources(s_limits.WithHugetlbMax("2MB", new(0)))
            .WithDeviceRules(DeviceRule.Parse("c 1:3 rw")).Build().Plan(s_hybrid),
        ["ordinary-delegated"] = () => s_builder.WithMemoryMax(ByteSize.FromMebibytes(64)).Build().Plan(Ordinary with
        {
            HasClone3 = false,
            Cgroups = Root.Cgroups with { Parent = "/user.slice/own", Controllers = ["memory", "pids"], Enabled = [] }
        }),
        ["root-everything"] = () => s_builder.WithLaunchForm(LaunchForm.InMemory).WithDomainName("example.net")
            .AddSysctl("net.ipv4.ip_forward", "1").AddRlimit(new Rlimit(RlimitResource.Nofile, 10, 20))
            .WithOomScoreAdj(100).WithUmask((UnixFileMode)0b111_111).WithUser(1, 2).AddGroup("3")
            .WithTimeOffsets(new TimeOffsets(TimeSpan.Zero, TimeSpan.FromDays(1)))
            .WithCapabilities(new CapabilityState(CapabilitySet.DockerDefault, CapabilitySet.DockerDefault, CapabilitySet.DockerDefault,
                CapabilitySet.Of(Capability.Kill), CapabilitySet.Of(Capability.Kill)))
            .AddMount(new TmpfsMount("/tmp")).AddMount(new FileMount("/etc/secret", [1, 2]))
            .AddMount(new DeviceMount("/dev/fuse", "/dev/fuse")).AddMount(new OverlayMount(["/a", "/b"], "/mnt"))
            .AddMount(new MqueueMount("/mq")).AddMount(new DevptsMount("/pts")).AddMount(new Cgroup2Mount()).WithStandardInput(Stdio.Pipe)
            .WithStandardOutput(Stdio.File("/log", append: true))
            .WithWorkingDirectory("/work", create: true).WithWritableRoot().OutliveParent().Build().Plan(Root),
    };

    [Theory]
    [MemberData(nameof(Names))]
    public void Plans_are_as_reviewed(string name) => Golden.AssertEqual($"plan-{name}.txt", s_plans[name]().ToDetailedString());

    [Fact]
    public void Specs_print_as_json()
    {
        string json = s_plans["root-everything"]().Spec.ToString();
        Golden.AssertEqual("spec-everything.json", json + "\n");
        Assert.NotNull(System.Text.Json.JsonDocument.Parse(json));
    }

    [Fact]
    public void A_lowered_plan_prints_like_strace() =>
        Golden.AssertEqual("program-root-in-memory.txt", s_plans["root-in-memory"]().Lowered.Launch.Program.ToString());

    [Fact]
    public void The_same_plan_lowers_for_arm64()
    {
        LaunchPlan plan = s_builder.WithLaunchForm(LaunchForm.InMemory).Build().Plan(Root with { Architecture = Architecture.Arm64 });
        Assert.Equal(Architecture.Arm64, plan.Lowered.Launch.Program.Architecture);
    }

    [Fact]
    public void A_root_caller_without_a_user_namespace_of_its_own_gets_the_sealed_form() =>
        Assert.Equal((LaunchForm.Sealed, LaunchForm.InMemory, LaunchForm.Sealed, LaunchForm.InMemory), (
            s_builder.Build().Plan(Root).Form,
            s_builder.WithUser(7, 7).WithCapabilities(CapabilitySet.None).AsFirstProcess().Build().Plan(Root).Form,
            s_builder.WithUserNamespace(IdMap.Parse("0:0:10"), IdMap.Parse("0:0:10")).Build().Plan(Root).Form,
            s_builder.WithUserNamespace(IdMap.Parse("0:5000:10"), IdMap.Parse("0:5000:10")).AsFirstProcess().Build().Plan(Root).Form));

    [Theory]
    [InlineData(true, "/bin/app")]
    [InlineData(true, "sh", "/sbin/init")]
    [InlineData(false, "/sbin/init")]
    [InlineData(false, "/init")]
    [InlineData(false, "/lib/systemd/systemd")]
    [InlineData(false, "tini", "--", "app")]
    [InlineData(false, "/usr/bin/dumb-init", "app")]
    [InlineData(false, "catatonit", "--", "app")]
    [InlineData(false, "s6-svscan", "/service")]
    [InlineData(false, "/sbin/runit-init")]
    [InlineData(false, "/sbin/openrc-init")]
    public void An_init_is_process_1_unless_the_command_is_one(bool hasInit, params string[] command) =>
        Assert.Equal(hasInit, HasInit(s_builder.WithCommand(command[0], command[1..])));

    [Fact]
    public void An_init_needs_a_PID_namespace_and_a_process_of_its_own()
    {
        Assert.Equal((true, false, true),
            (HasInit(s_builder.WithInit()), HasInit(s_builder.AsFirstProcess()), HasInit(s_builder.WithCommand("tini").WithInit())));
        Assert.Equal((false, false, true), (HasInit(s_builder.WithLaunchForm(LaunchForm.InMemory)),
            HasInit(s_builder.WithLaunchForm(LaunchForm.Forked)), HasInit(s_builder.WithLaunchForm(LaunchForm.Sealed))));
        Assert.Equal(LaunchForm.Sealed, s_builder.WithLaunchForm(LaunchForm.InMemory).WithInit().Build().Plan(Root).Form);
        ContainerBuilder shared = s_builder.WithNamespacesSharedWithHost(NamespaceKinds.Pid),
            joined = s_builder.AddJoinedNamespaces(NamespaceKinds.Pid, s_other);
        Assert.Equal((false, false), (HasInit(shared), HasInit(joined)));
        Assert.Equal("init", Assert.Throws<SpecException>(() => shared.WithInit().Build().Plan(Root)).Faults[0].Path);
        Assert.Equal("init", Assert.Throws<SpecException>(() => joined.WithInit().Build().Plan(Root)).Faults[0].Path);
    }

    private static bool HasInit(ContainerBuilder builder) =>
        builder.Build().Plan(Root).Steps.Any(s => s is { Action: "create", Subject: "the init as process 1" });

    [Fact]
    public void What_a_host_lacks_is_refused_with_the_remedy()
    {
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => s_builder.Build()
            .Plan(Ordinary with { UserNamespaceObstacle = "blocked", UserNamespaceRemedy = "unblock" }));
        Assert.Equal(("blocked", "unblock"), (e.Reason, e.Remedy));
        HostFacts withoutClone3 = Root with { HasClone3 = false };
        Assert.Throws<KernelFeatureException>(() => s_builder.WithTimeOffsets(new TimeOffsets(TimeSpan.Zero, TimeSpan.Zero)).Build()
            .Plan(withoutClone3));
        Assert.NotNull(s_builder.AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Pid, s_other).Build().Plan(withoutClone3));
        Assert.Throws<KernelFeatureException>(() => new ContainerBuilder(new DirectoryRootfs("/r") { IdMapped = true }).Build().Plan(Root));
        Assert.Throws<KernelFeatureException>(() => new ContainerBuilder(new DirectoryRootfs("/r") { IdMapped = true })
            .Build().Plan(Ordinary));
        // Device rules are enforced or refused, never left out in silence;
        // those nobody asked for are left out where nothing can enforce them.
        HostFacts noDevices = Root with
        {
            Cgroups = new CgroupFacts
            { Hierarchies = CgroupHierarchies.Parse("35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n", "4:memory:/\n") }
        };
        Assert.Contains("device rules",
            Assert.Throws<KernelFeatureException>(() => s_builder.WithDeviceRules(DeviceRule.Parse("c 1:3 r")).Build()
                .Plan(noDevices)).Message);
        Assert.NotNull(s_builder.Build().Plan(noDevices));
        Assert.Throws<SpecException>(() => s_builder.WithTerminal().WithMounts().Build().Plan(Root));
        Assert.Throws<SpecException>(() => s_builder.WithMounts().AddSysctl("net.ipv4.ip_forward", "1").Build().Plan(Root));
        Assert.Throws<SpecException>(() => s_builder.WithUser(70_000, 0)
            .WithUserNamespace(IdMap.Parse("0:5000:10"), IdMap.Parse("0:5000:10")).Build().Plan(Root));
        Assert.Throws<SpecException>(() => s_builder.AddGroup("5").Build().Plan(Ordinary with { NewUidMap = null }));
    }

    [Fact]
    public void Every_fault_of_a_spec_is_told_at_once()
    {
        SpecException e = Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Directory("relative")).WithCommand("")
            .WithWorkingDirectory("x").WithUmask((UnixFileMode)(-1)).WithOomScoreAdj(1001)
            .AddEnvironment("A=B", "").AddRlimit(new Rlimit(RlimitResource.As, 2, 1)).AddMount(new BindMount("here", "/"))
            .AddMount(new TmpfsMount("/t") { Size = new(0) }).AddMaskedPath("m")
            .AddReadOnlyPath("../r").WithHostName("").WithTimeout(TimeSpan.Zero).WithNamespacesSharedWithHost(NamespaceKinds.Mount)
            .AddDescriptor(new Microsoft.Win32.SafeHandles.SafeFileHandle(), 2)
            .WithCapabilities(new CapabilityState(CapabilitySet.None, CapabilitySet.All, CapabilitySet.All, CapabilitySet.None,
                CapabilitySet.All)).Build());
        string[] paths = [.. e.Faults.Select(f => f.Path).Distinct()];
        Assert.Equal(
            ["root.path", "process.args", "process.env", "process.cwd", "process.user.umask", "process.oomScoreAdj", "process.rlimits",
                "process.capabilities.permitted", "process.capabilities.ambient",
                "timeout", "process.descriptors", "mounts[4].destination", "mounts[4].source", "mounts[5].size", "linux.maskedPaths",
                "linux.readonlyPaths", "linux.namespaces", "hostname"], paths);
    }

    [Fact]
    public void Earlier_builders_stay_valid()
    {
        ContainerBuilder one = s_builder.WithUser("1:1"), two = one.WithUser("2:2");
        Assert.Equal(("1", "2"), (one.Build().Spec.User.User, two.Build().Spec.User.User));
    }

    [Fact]
    public void Host_checks_name_the_remedy()
    {
        ImmutableArray<HostCheck> checks = (Ordinary with
        {
            UserNamespaceObstacle = "blocked",
            UserNamespaceRemedy = "unblock it",
            NewUidMap = null,
            Kernel = new KernelVersion(5, 4)
        }).Checks();
        Assert.Equal(["kernel", "privileges", "user namespaces", "id ranges", "control groups", "user-mode network"],
            checks.Where(c => !c.Works).Select(c => c.Name));
        Assert.Equal("unblock it", checks.Single(c => c.Name == "user namespaces").Remedy);
        Assert.All(Root.Checks(), c => Assert.True(c.Works, c.ToString()));
    }
}
