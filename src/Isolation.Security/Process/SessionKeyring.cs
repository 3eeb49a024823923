using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>The session keyring: keys that a program and what it starts find, which no namespace keeps
/// apart. See session-keyring(7).</summary>
public static class SessionKeyring
{
    /// <summary>The serial number of the calling thread's session keyring;
    /// null where the kernel has no keys or a filter refuses keyctl(2).</summary>
    public static int? IdOfCurrentThread
    {
        get
        {
            SyscallResult result = RawSyscall.Invoke(Syscall.keyctl, Keyctl.KEYCTL_GET_KEYRING_ID,
                unchecked((nuint)Keyctl.KEY_SPEC_SESSION_KEYRING), 0);
            return result.IsError ? null : (int)result.Value;
        }
    }

    /// <summary>Gives the calling thread, and what it starts, a new and empty session keyring:
    /// keyctl(2) <c>KEYCTL_JOIN_SESSION_KEYRING</c>.</summary>
    /// <exception cref="LinuxException"><c>EDQUOT</c>: the user has too many keys. <c>ENOSYS</c>: the kernel has none.</exception>
    public static void JoinNewForCurrentThread() => ManagedInterpreter.Run(Join(tolerant: false));

    /// <summary>The keyring as a step; tolerant where an outer container has no keys to hide.</summary>
    internal static PlanStep Join(bool tolerant) => new("join", "a new session keyring",
        [new SyscallStep(Syscall.keyctl, StepArgument.Flags(Keyctl.KEYCTL_JOIN_SESSION_KEYRING, "KEYCTL_JOIN_SESSION_KEYRING"),
            StepArgument.Null) { Tolerated = tolerant ? [Errno.ENOSYS, Errno.EPERM] : [] }])
    {
        Hint = errno => errno == Errno.EDQUOT ? "The user's keys are limited by kernel.keys.maxkeys." : null,
    };
}
