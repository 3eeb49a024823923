using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Settings of a process that make it harder to attack or to look into.</summary>
public static class ProcessHardening
{
    private const uint PR_SPEC_PRCTL = 1, PR_SPEC_ENABLE = 2, PR_SPEC_DISABLE = 4, PR_SPEC_FORCE_DISABLE = 8;

    /// <summary>Whether the process can be traced and dumps core: prctl(2) <c>PR_GET_DUMPABLE</c>.
    /// Setting it to false makes /proc/PID root's. Scope: the process; execve(2) sets it anew.</summary>
    public static bool IsDumpable
    {
        get => RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_DUMPABLE).Value == 1;
        set => RawSyscall.Invoke(Syscall.prctl, Prctl.PR_SET_DUMPABLE, value ? 1u : 0u).ThrowIfError("set", "dumpable", "prctl(2)");
    }

    /// <summary>Whether memory that is or was writable can no longer be made executable: <c>PR_GET_MDWE</c>. Since Linux 6.3.</summary>
    public static bool DeniesWriteExecute => RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_MDWE, 0, 0, 0, 0).Value is > 0 and var bits
        && (bits & Prctl.PR_MDWE_REFUSE_EXEC_GAIN) != 0;

    /// <summary>Forbids the process, for good, to make memory executable that is or was writable: <c>PR_SET_MDWE</c>.
    /// A CLR that compiles just in time cannot live under it.</summary>
    /// <remarks>Scope: the process and what it starts. Since Linux 6.3.</remarks>
    /// <exception cref="LinuxException"><c>EINVAL</c>: the kernel is older, or the architecture cannot.</exception>
    public static void DenyWriteExecute() => ManagedInterpreter.Run(DenyWriteExecuteStep);

    /// <summary>The state of a mitigation for the calling thread: true where the speculation is off;
    /// null where the processor or the kernel does not let one choose.</summary>
    public static bool? IsSpeculationDisabledForCurrentThread(Speculation speculation)
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_SPECULATION_CTRL, (nuint)speculation, 0, 0, 0);
        return result.IsError || (result.Value & PR_SPEC_PRCTL) == 0
            ? null
            : (result.Value & (PR_SPEC_DISABLE | PR_SPEC_FORCE_DISABLE)) != 0;
    }

    /// <summary>Switches a kind of speculation off for the calling thread and what it starts: <c>PR_SET_SPECULATION_CTRL</c>.
    /// For <see cref="Speculation.L1dFlush"/> it switches flushing on.</summary>
    /// <param name="speculation">Which.</param>
    /// <param name="forGood">Whether it can be switched on again.</param>
    /// <exception cref="LinuxException"><c>ENXIO</c>, <c>ENODEV</c>: it cannot be chosen here.
    /// <c>EPERM</c>: it was switched for good.</exception>
    public static void DisableSpeculationForCurrentThread(Speculation speculation, bool forGood = true)
    {
        uint value = speculation == Speculation.L1dFlush ? PR_SPEC_ENABLE : forGood ? PR_SPEC_FORCE_DISABLE : PR_SPEC_DISABLE;
        RawSyscall.Invoke(Syscall.prctl, Prctl.PR_SET_SPECULATION_CTRL, (nuint)speculation, value, 0, 0)
            .ThrowIfError("switch off speculation by", speculation.ToString(), "prctl(2)",
                "The processor or the kernel's command line leaves no choice.");
    }

    /// <summary>Gives the process a core scheduling cookie of its own: no foreign thread runs on the other half of its core.
    /// <c>PR_SCHED_CORE_CREATE</c>, since Linux 5.14.</summary>
    /// <exception cref="LinuxException"><c>EINVAL</c>: the kernel has no core scheduling.
    /// <c>ENODEV</c>: the processor has no SMT.</exception>
    public static void CreateCoreSchedulingCookie() => ManagedInterpreter.Run(CoreSchedulingStep);

    internal static PlanStep DenyWriteExecuteStep { get; } = new("deny", "memory that is writable and executable",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_MDWE, "PR_SET_MDWE"),
            StepArgument.Flags(Prctl.PR_MDWE_REFUSE_EXEC_GAIN, "PR_MDWE_REFUSE_EXEC_GAIN"), 0, 0, 0)])
    {
        Hint = errno => errno == Errno.EINVAL ? "It needs Linux 6.3, and an architecture that can." : null,
    };

    // A whole thread group, so that the children of the first thread are in it too: PR_SCHED_CORE_SCOPE_THREAD_GROUP is 1.
    internal static PlanStep CoreSchedulingStep { get; } = new("create", "a core scheduling cookie",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SCHED_CORE, "PR_SCHED_CORE"),
            StepArgument.Flags(Prctl.PR_SCHED_CORE_CREATE, "PR_SCHED_CORE_CREATE"), 0, 1, 0)])
    {
        Hint = errno => errno switch
        {
            Errno.EINVAL => "The kernel is built without core scheduling (CONFIG_SCHED_CORE), or is older than 5.14.",
            Errno.ENODEV => "The processor has no SMT, or it is off.",
            _ => null,
        },
    };
}
