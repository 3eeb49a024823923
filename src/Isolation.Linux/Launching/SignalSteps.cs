using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Lowers the signal state that a program expects at its start.</summary>
internal static class SignalSteps
{
    /// <summary>SIGPIPE at its default, since .NET ignores it and ignored signals stay so across execve; and no signal blocked.</summary>
    internal static ImmutableArray<SyscallStep> Reset { get; } =
    [
        // struct sigaction as the kernel has it: handler, flags, restorer, mask; all zero is SIG_DFL
        new SyscallStep(Syscall.rt_sigaction, StepArgument.Flags(Sched.SIGPIPE, "SIGPIPE"), StepArgument.Words("{SIG_DFL}", 0, 0, 0, 0), StepArgument.Null, 8),
        new SyscallStep(Syscall.rt_sigprocmask, StepArgument.Flags(2, "SIG_SETMASK"), StepArgument.Words("[]", 0), StepArgument.Null, 8),
    ];
}
