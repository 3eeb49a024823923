using System.Collections.Immutable;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers a pseudo-terminal of the container's own devpts: its master goes to the parent, its slave becomes the console.</summary>
internal sealed class TerminalSteps
{
    private const uint TIOCSCTTY = 0x540e, TIOCSPTLCK = 0x40045431, TIOCGPTPEER = 0x5441;

    private readonly Slot _master = new("ptmx"), _slave = new("terminal");
    private readonly DescriptorSocket _socket = new("console");

    /// <summary>The parent's end of the socket by which the master comes.</summary>
    internal Slot Receive => _socket.Receive;

    internal PlanStep OpenSocket() => _socket.Open("the terminal");

    /// <summary>Opens the terminal by descriptors only: the slave comes from the master, and the console from the slave.</summary>
    internal PlanStep Open(Slot dev, ResolvedUser user)
    {
        Slot console = new("console");
        const uint Flags = Fcntl.O_RDWR | Fcntl.O_NOCTTY | Fcntl.O_CLOEXEC;
        return new PlanStep("open", "the terminal",
        [
            new SyscallStep(Syscall.openat, dev, "pts/ptmx", StepArgument.Flags(Flags, "O_RDWR|O_NOCTTY|O_CLOEXEC")) { Result = _master },
            new SyscallStep(Syscall.ioctl, _master, StepArgument.Flags(TIOCSPTLCK, "TIOCSPTLCK"), StepArgument.Words("[0]", 0)),
            new SyscallStep(Syscall.ioctl, _master, StepArgument.Flags(TIOCGPTPEER, "TIOCGPTPEER"),
                StepArgument.Flags(Flags, "O_RDWR|O_NOCTTY|O_CLOEXEC")) { Result = _slave },
            .. user.UserId == 0
                ? (ImmutableArray<SyscallStep>)[]
                : [new SyscallStep(Syscall.fchown, _slave, user.UserId, StepArgument.Flags(uint.MaxValue, "-1"))],
            _socket.Hand(_master),
            new SyscallStep(Syscall.mknodat, dev, "console", StepArgument.Flags(Fcntl.S_IFREG | 0b110_010_000, "S_IFREG|0620"), 0),
            MountCalls.CloneTree(_slave, "", console),
            MountCalls.AttachAt(console, dev, "console"),
        ]);
    }

    /// <summary>Makes it the controlling terminal of the new session, and all three standard streams.</summary>
    internal PlanStep Connect() => new("connect", "the terminal",
    [
        new SyscallStep(Syscall.ioctl, _slave, StepArgument.Flags(TIOCSCTTY, "TIOCSCTTY"), 0),
        .. Enumerable.Range(0, 3).Select(i => new SyscallStep(Syscall.dup3, _slave, i, 0)),
    ]);
}
