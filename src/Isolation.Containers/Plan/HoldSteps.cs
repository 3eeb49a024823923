using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Hands the namespace by which the container's processes are known to this process:
/// opened by the child itself, before its program can be in another.</summary>
/// <param name="kind">User or mount.</param>
internal sealed class HoldSteps(NamespaceKinds kind)
{
    private readonly Slot _file = new("held-namespace");
    private readonly DescriptorSocket _socket = new("hold");

    /// <summary>The parent's end of the socket.</summary>
    internal Slot Receive => _socket.Receive;

    internal PlanStep OpenSocket() => _socket.Open($"the {kind.FileName()} namespace");

    internal PlanStep Send() => new("hand over", $"the {kind.FileName()} namespace, by which its processes are known",
    [
        new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, $"/proc/self/ns/{kind.FileName()}",
            StepArgument.Flags(Fcntl.O_RDONLY | Fcntl.O_CLOEXEC, "O_RDONLY|O_CLOEXEC")) { Result = _file },
        _socket.Hand(_file),
        new SyscallStep(Syscall.close, _file),
    ])
    {
        Hint = errno => errno == Linux.Errno.ENOENT
            ? "The proc file system of this process's own PID namespace must be mounted on /proc."
            : null,
    };
}
