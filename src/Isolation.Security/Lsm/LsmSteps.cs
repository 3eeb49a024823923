using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Lowers a label for the next execve to steps. Written through a proc that the image cannot have put something over.</summary>
internal static class LsmSteps
{
    /// <summary>Has the next execve put a label in force. The slot holds the root of a proc mount;
    /// the attribute lies below the thread's directory.</summary>
    internal static PlanStep Exec(Slot proc, string module, string attribute, string value, string action)
    {
        Slot file = new("label");
        // struct open_how { u64 flags, mode, resolve; }. Neither a magic link nor another mount on the way.
        StepArgument how = StepArgument.Words("{O_WRONLY|O_CLOEXEC, RESOLVE_BENEATH|RESOLVE_NO_XDEV|RESOLVE_NO_MAGICLINKS}",
            Fcntl.O_WRONLY | Fcntl.O_CLOEXEC, 0,
            OpenAt2Abi.RESOLVE_BENEATH | OpenAt2Abi.RESOLVE_NO_XDEV | OpenAt2Abi.RESOLVE_NO_MAGICLINKS);
        return new PlanStep(action, $"\"{value}\"",
        [
            new SyscallStep(Syscall.openat2, proc, "thread-self/" + attribute, how, OpenAt2Abi.open_how_size) { Result = file },
            new SyscallStep(Syscall.write, file, value, System.Text.Encoding.UTF8.GetByteCount(value)),
            new SyscallStep(Syscall.close, file),
        ])
        {
            Hint = errno => SecurityModules.Hint(module, errno),
        };
    }
}
