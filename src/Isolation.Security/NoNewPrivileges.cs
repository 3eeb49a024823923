using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The no_new_privs bit: no execve(2) gives more privileges than the caller has. Cannot be unset.</summary>
/// <remarks>See prctl(2), <c>PR_SET_NO_NEW_PRIVS</c>. Since Linux 3.5.</remarks>
public static class NoNewPrivileges
{
    /// <summary>Whether the bit is set for the calling thread.</summary>
    public static bool IsSetForCurrentThread => RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0).Value == 1;

    /// <summary>Sets the bit for the calling thread and what it starts.</summary>
    public static void SetForCurrentThread() => ManagedInterpreter.Run(Step);

    internal static PlanStep Step { get; } = new("set", "no_new_privs",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NO_NEW_PRIVS, "PR_SET_NO_NEW_PRIVS"), 1, 0, 0, 0)]);
}
