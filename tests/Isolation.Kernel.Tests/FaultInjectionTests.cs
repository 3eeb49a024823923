using System.Collections.Immutable;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Kernel.Tests;

/// <summary>Every call of a full plan is made to fail in turn, by a number that the kernel does not have.</summary>
public class FaultInjectionTests
{
    public static TheoryData<string> Plans => ["in memory", "sealed", "forked", "init and terminal", "id map by the parent", "joined"];

    [Theory]
    [MemberData(nameof(Plans))]
    public async Task Each_call_that_fails_is_named_and_nothing_is_left(string name)
    {
        using var directory = new TemporaryDirectory();
        await using Container? other = name == "joined" ? await Box.Builder("/bin/sleep", "1000").StartAsync() : null;
        LaunchPlan plan = MakePlan(name, directory, other);
        // What is probed or started once, and threads, are in place before anything is counted.
        foreach (Container first in await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => plan.StartAsync())))
            await first.DisposeAsync();
        string[] files = Files(directory);
        SyscallProgram program = plan.Lowered.Launch.Program;
        var unreached = new List<string>();
        for (int call = 0; call < program.Steps.Length; call++)
        {
            var leaks = new Leaks();
            (int entry, SyscallStep step) = plan.Lowered.Find(call);
            if (IsInitsRest(plan, call))
                continue; // all was reported by then: the container ends at once
            try
            {
                Container process = await plan.StartAsync(brokenCall: call, CancellationToken.None);
                await process.DisposeAsync();
                Assert.True(IsConditional(plan.Entries[entry].Step, step), $"call {call}, {step}, was not reached");
                unreached.Add(step.ToString());
            }
            catch (LaunchException e)
            {
                Assert.Equal((entry + 1, step.CallName, Errno.ENOSYS, plan.Steps[entry].Subject),
                    (e.FailedStep.Number, e.Call, e.Errno, e.Subject));
                Assert.Contains($"{step.CallName} failed with ENOSYS", e.Message);
                Assert.Contains($"at launch step {entry + 1} of {plan.Steps.Length}, in "
                    + $"the {(plan.Lowered.Launch.Parent.Contains(call) ? "parent" : "child")}.", e.Message);
            }

            leaks.AssertNone();
        }

        // Calls that only other hosts and images need stay unreached: paths to be made, masks for what is not there.
        Assert.InRange(unreached.Count, 0, program.Steps.Length / 2);
        Assert.Equal(files, Files(directory));
        await using Container last = await plan.StartAsync();
    }

    [Fact]
    public async Task A_handshake_that_fails_is_a_step_of_the_launch()
    {
        Host.NeedsOrdinaryUser();
        Host.NeedsTool("newuidmap");
        var leaks = new Leaks();
        var map = new IdMap(new IdMapRange(0, 4_000_000_000, 10));
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => Box.Builder("/bin/true")
            .WithUserNamespace(map, map).StartAsync());
        Assert.Equal(("newuidmap(1)", false), (e.Call, e.FailedStep.InChild));
        Assert.Contains("/etc/subuid", e.Message);
        leaks.AssertNone();
    }

    [Fact]
    public async Task A_child_that_is_killed_while_it_starts_is_told_from_one_that_ran()
    {
        Host.NeedsRoot();
        var leaks = new Leaks();
        var map = new IdMap(new IdMapRange(0, 500_000, 65_536));
        LaunchPlan plan = Box.Builder("/bin/true").WithUserNamespace(map, map).Plan();
        var killed = new LaunchPlan(plan.Asked, plan.Facts, plan.User, plan.Entries,
            plan.Slots with { Handshake = new KillingHandshake() });
        LaunchException e = await Assert.ThrowsAsync<LaunchException>(() => killed.StartAsync());
        Assert.Equal("wait for", e.Action);
        Assert.Contains("The process was killed by SIGKILL meanwhile", e.Message);
        leaks.AssertNone();
    }

    /// <summary>Kills the child that waits for it.</summary>
    private sealed class KillingHandshake : LaunchHandshake
    {
        internal override void Serve(int processId)
        {
            using PidHandle child = PidHandle.Open(processId);
            child.SendSignal(Signal.SIGKILL);
        }
    }

    private static LaunchPlan MakePlan(string name, TemporaryDirectory directory, Container? other)
    {
        string source = directory.Write("source", "content");
        ContainerBuilder builder = Box.Builder("sleep", "1000").WithUser(0, 0).WithDomainName("domain")
            .AddMount(new BindMount(source, "/run/made/file")).AddMount(new TmpfsMount("/run/made/tmpfs") { Size = new(4096), Inodes = 10 })
            .AddMount(new FileMount("/run/secret", [1, 2, 3])).AddMount(new DeviceMount("/dev/null", "/run/device"))
            .AddMount(new OverlayMount(["/usr/share"], "/run/overlay"))
            .AddSysctl("net.ipv4.ip_forward", "1").AddSysctl("fs.mqueue.msg_max", "20")
            .AddRlimit(new Rlimit(RlimitResource.Nofile, 64, 64)).WithOomScoreAdj(300)
            .WithWorkingDirectory("/run/made/cwd", create: true);
        builder = Host.IsRoot ? builder : builder.AddMount(new TmpfsMount("/run"));
        ContainerBuilder piped = builder.WithStandardInput(Stdio.Pipe).WithStandardOutput(Stdio.Pipe)
            .WithStandardError(Stdio.File(directory.Write("stderr", ""))).WithStepTimes();
        var map = new IdMap(new IdMapRange(0, 500_000, 65_536));
        switch (name)
        {
            case "in memory":
                return piped.WithLaunchForm(LaunchForm.InMemory).Plan();
            case "sealed":
                return piped.WithLaunchForm(LaunchForm.Sealed).Plan();
            case "forked":
                return builder.WithStandardOutput(Stdio.Pipe).WithLaunchForm(LaunchForm.Forked).Plan();
            case "init and terminal":
                return builder.WithInit().WithTerminal().Plan();
            case "restricted":
                // No path is a file here: for one, the rights of directories are tried first and refused.
                return builder.WithLandlock(LandlockRuleset.Everything.Allow(LandlockFileAccess.Read | LandlockFileAccess.Execute, "/")
                    .Allow(LandlockFileAccess.Write, "/run").Allow(LandlockNetAccess.ConnectTcp, 443))
                    .WithSeccomp(SeccompFilter.Default.Add(SeccompAction.UserNotify, "chmod"), _ => new(SeccompReply.Continue))
                    .WithDenialReport()
                    .WithSecurity(s => s with
                    {
                        Personality = Personality.AddressNoRandomize,
                        Scheduling = new Scheduling(SchedulingPolicy.Batch) { Nice = 5 },
                        IoPriority = new IoPriority(IoPriorityClass.Idle),
                        CpuAffinity = CpuAffinity.Of(0),
                        DenyWriteExecute = true
                    })
                    .Plan();
            case "joined":
                return builder.WithSpec(s => s with { Sysctls = ImmutableSortedDictionary<string, string>.Empty })
                    .AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Ipc | NamespaceKinds.Pid, other!).Plan();
            default:
                if (!Host.IsRoot)
                    Assert.SkipUnless(HostFacts.Current is { NewUidMap: not null, SubUserIds.IsEmpty: false },
                        "needs newuidmap and a range in /etc/subuid");
                return Host.IsRoot
                    ? builder.WithUserNamespace(map, map).WithUser(33, 33).Plan()
                    : builder.WithUserNamespace(SubIdFile.ToMap(HostFacts.Current.UserId, HostFacts.Current.SubUserIds)!,
                        SubIdFile.ToMap(HostFacts.Current.GroupId, HostFacts.Current.SubGroupIds)!).WithUser(33, 33).Plan();
        }
    }

    /// <summary>Whether a call lies behind one that may jump over it, or may be missing from the kernel.</summary>
    private static bool IsConditional(PlanStep plan, SyscallStep step) =>
        step.Tolerated.Contains(Errno.ENOSYS) || plan.Calls.TakeWhile(c => !ReferenceEquals(c, step))
            .Any(c => c.SkipOnSuccess != 0 || c.SkipOnTolerated != 0 || c.Call == Linux.Syscalls.Syscall.execve);

    /// <summary>The init is under its filter, which kills for any other call, or has closed every descriptor and waits;
    /// it never gets beyond.</summary>
    private static bool IsInitsRest(LaunchPlan plan, int call) => plan.Lowered.Launch.Sealed.Contains(call)
        && plan.Lowered.Launch.Program.Steps[call].Call is Linux.Syscalls.Syscall.close_range or Linux.Syscalls.Syscall.ppoll
            or Linux.Syscalls.Syscall.exit_group
        && plan.Lowered.Launch.Program.Steps[call - 1].Call is Linux.Syscalls.Syscall.seccomp or Linux.Syscalls.Syscall.close_range
            or Linux.Syscalls.Syscall.ppoll;

    private static string[] Files(TemporaryDirectory directory) =>
        [.. Directory.EnumerateFileSystemEntries(directory.Path, "*", SearchOption.AllDirectories).Order()];
}
