using System.Collections.Immutable;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Namespaces;

namespace Isolation.Benchmarks.Launch;

/// <summary>One configuration in the words of each contestant; the program only exits.</summary>
/// <remarks>"full": all namespaces but user, a root directory bound and pivoted to, /proc, a /dev in memory with six nodes, a host name,
/// Docker's capabilities, no_new_privs. "default": what this library and the OCI runtimes do by default beyond that: /sys, terminals,
/// shared memory and message queues in /dev, masked and read-only paths, lo up.</remarks>
internal sealed class Scene
{
    internal Scene(string directory, bool full)
    {
        Root = Path.Combine(directory, "root");
        foreach (string name in new[] { "proc", "dev", "sys" })
            Directory.CreateDirectory(Path.Combine(Root, name));
        Driver.BuildTiny(Path.Combine(Root, "true"));
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(Root)).WithCommand("/true").WithHostName("box")
            .WithStandardOutput(Stdio.Null).WithStandardError(Stdio.Null)
            // as the OCI tools are configured here
            .WithCgroup(CgroupUse.SharedWithParent).WithMounts(ContainerDefaults.Mounts.Where(m => m is not Cgroup2Mount))
            .WithSeccompUnconfined();
        if (full)
            builder = builder.WithMounts(new ProcMount(), new DevMount { HasPts = false, HasShm = false, HasMqueue = false })
                .WithMaskedPaths().WithReadOnlyPaths().WithSpec(s => s with { Namespaces = new NamespaceSettings { LoopbackUp = false } });
        Name = full ? "full" : "default";
        Builder = builder;
        InMemory = builder.WithLaunchForm(LaunchForm.InMemory).Plan();
        WithInit = builder.Plan();
        UserNamespace = builder.WithLaunchForm(LaunchForm.InMemory)
            .WithUserNamespace(new IdMap(new IdMapRange(0, 100_000, 65_536)), new IdMap(new IdMapRange(0, 100_000, 65_536))).Plan();
        Pool = new NetworkNamespacePool(PoolSize);
        Pooled = builder.WithLaunchForm(LaunchForm.InMemory).WithNetworkPool(Pool).Plan();
        PooledWithInit = builder.WithNetworkPool(Pool).Plan();
        Floor = InMemory.Lowered.Launch;
        FloorWithInit = WithInit.Lowered.Launch;
        HostNet = builder.WithLaunchForm(LaunchForm.InMemory)
            .WithSpec(s => s with { Namespaces = s.Namespaces with { SharedWithHost = NamespaceKinds.Net } }).Plan();
        Bare = BareProgram(Path.Combine(Root, "true"));
        Bundle = OciBundle.Write(directory, Root, full);
        Bubblewrap =
        [
            "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup", "--hostname", "box",
            "--ro-bind", Root, "/", "--proc", "/proc",
            "--dev", "/dev", .. full ? [] : BubblewrapDefaults(), "--die-with-parent", "--new-session", "--cap-drop", "ALL", "/true",
        ];
    }

    internal string Root { get; }

    /// <summary>What the plans are made of.</summary>
    internal ContainerBuilder Builder { get; }

    /// <summary>The program is process 1, set up in this process's memory: the least work.</summary>
    internal LaunchPlan InMemory { get; }

    /// <summary>What is done by default: an init is process 1, and the program its sibling.</summary>
    internal LaunchPlan WithInit { get; }

    internal LaunchPlan UserNamespace { get; }

    internal LaunchPlan Pooled { get; }

    internal LaunchPlan PooledWithInit { get; }

    internal NetworkNamespacePool Pool { get; }

    internal LaunchProgram Floor { get; }

    internal LaunchProgram FloorWithInit { get; }

    /// <summary>The same in the host's network: what a pool can save at most.</summary>
    internal LaunchPlan HostNet { get; }

    internal LaunchProgram Bare { get; }

    internal string Bundle { get; }

    internal ImmutableArray<string> Bubblewrap { get; }

    internal const int PoolSize = 64;

    internal string Name { get; }

    private static IEnumerable<string> BubblewrapDefaults() =>
    [
        "--ro-bind", "/sys", "/sys", "--mqueue", "/dev/mqueue",
        .. ContainerDefaults.ReadOnlyPaths.Where(Path.Exists).SelectMany(p => new[] { "--ro-bind", p, p }),
        .. ContainerDefaults.MaskedPaths.Where(Directory.Exists).SelectMany(p => new[] { "--tmpfs", p, "--remount-ro", p }),
        .. ContainerDefaults.MaskedPaths.Where(File.Exists).SelectMany(p => new[] { "--ro-bind", "/dev/null", p }),
    ];

    private static LaunchProgram BareProgram(string path)
    {
        var writer = new Linux.Programs.SyscallProgramWriter(HostFacts.Current.Architecture);
        writer.Add(SignalSteps.Reset.AsSpan());
        writer.Add(new Linux.Programs.SyscallStep(Linux.Syscalls.Syscall.execve, path, Linux.Programs.StepArgument.StringArray([path]),
            Linux.Programs.StepArgument.StringArray([])));
        return new LaunchProgram
        {
            Program = writer.Build(),
            Form = LaunchForm.InMemory,
            CloneFlags = 0,
            Borrowed = new StepRange(0, writer.Count),
            FirstExecution = writer.Count - 1
        };
    }
}
