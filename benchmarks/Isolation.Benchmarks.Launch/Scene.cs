using System.Collections.Immutable;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Namespaces;

namespace Isolation.Benchmarks.Launch;

/// <summary>One configuration in the words of each contestant: all namespaces but user, a root directory, /proc, /dev, /sys, masks,
/// Docker's capabilities, no_new_privs, a host name, lo up; the program only exits.</summary>
internal sealed class Scene
{
    internal Scene(string directory)
    {
        Root = Path.Combine(directory, "root");
        foreach (string name in new[] { "proc", "dev", "sys" })
            Directory.CreateDirectory(Path.Combine(Root, name));
        Driver.BuildTiny(Path.Combine(Root, "true"), execute: null);
        Driver.BuildTiny(Path.Combine(Root, "exec-true"), execute: "/true");
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(Root)).WithCommand("/true").WithHostName("box").WithStandardOutput(Stdio.Null).WithStandardError(Stdio.Null);
        InMemory = builder.WithLaunchForm(LaunchForm.InMemory).Plan();
        Sealed = builder.WithLaunchForm(LaunchForm.Sealed).Plan();
        UserNamespace = builder.WithLaunchForm(LaunchForm.InMemory).WithUserNamespace(new IdMap(new IdMapRange(0, 100_000, 65_536)), new IdMap(new IdMapRange(0, 100_000, 65_536))).Plan();
        Pool = new NetworkNamespacePool(32);
        Pooled = builder.WithLaunchForm(LaunchForm.InMemory).WithNetworkPool(Pool).Plan();
        Floor = InMemory.Lowered.Launch;
        FloorExec = builder.WithLaunchForm(LaunchForm.InMemory).WithCommand("/exec-true").Plan().Lowered.Launch;
        Bare = BareProgram(Path.Combine(Root, "true"));
        Bundle = OciBundle.Write(directory, Root);
        Bubblewrap =
        [
            "bwrap", "--unshare-ipc", "--unshare-pid", "--unshare-net", "--unshare-uts", "--unshare-cgroup", "--hostname", "box", "--ro-bind", Root, "/", "--proc", "/proc",
            "--dev", "/dev", "--ro-bind", "/sys", "/sys", "--die-with-parent", "--new-session", "--cap-drop", "ALL", "/true",
        ];
    }

    internal string Root { get; }

    internal LaunchPlan InMemory { get; }

    internal LaunchPlan Sealed { get; }

    internal LaunchPlan UserNamespace { get; }

    internal LaunchPlan Pooled { get; }

    internal NetworkNamespacePool Pool { get; }

    internal LaunchProgram Floor { get; }

    internal LaunchProgram FloorExec { get; }

    internal LaunchProgram Bare { get; }

    internal string Bundle { get; }

    internal ImmutableArray<string> Bubblewrap { get; }

    private static LaunchProgram BareProgram(string path)
    {
        var writer = new Linux.Programs.SyscallProgramWriter(HostFacts.Current.Architecture);
        writer.Add(SignalSteps.Reset.AsSpan());
        writer.Add(new Linux.Programs.SyscallStep(Linux.Syscalls.Syscall.execve, path, Linux.Programs.StepArgument.StringArray([path]), Linux.Programs.StepArgument.StringArray([])));
        return new LaunchProgram { Program = writer.Build(), Form = LaunchForm.InMemory, CloneFlags = 0, Borrowed = new StepRange(0, writer.Count), FirstExecution = writer.Count - 1 };
    }
}
