using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A socket in the network namespace of an ordinary user's container: opened there by a child that enters the container's user
/// namespace, as this process of many threads cannot.</summary>
internal static unsafe class NamespaceSocket
{
    private const uint AF_UNIX = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;

    /// <summary>Opens a socket.</summary>
    /// <param name="user">The user namespace that owns the network namespace.</param>
    /// <param name="network">The network namespace.</param>
    /// <param name="family">The socket's family.</param>
    /// <param name="type">The socket's type, with <c>SOCK_CLOEXEC</c>.</param>
    /// <param name="protocol">The socket's protocol.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: the user namespace is another user's.</exception>
    internal static LinuxHandle Open(LinuxHandle user, LinuxHandle network, uint family, uint type, uint protocol)
    {
        int* pair = stackalloc int[2];
        RawSyscall.Invoke(Syscall.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (nuint)pair)
            .ThrowIfError("open", "a socket in the container's network", "socketpair(2)");
        using LinuxHandle receive = new(pair[0]), send = new(pair[1]);
        using Borrow userFile = new(user), networkFile = new(network);
        Slot socket = new("socket");
        StepChild.Run(new PlanStep("open", "a socket in the container's network",
        [
            new SyscallStep(Syscall.setns, userFile.Number, StepArgument.Flags(Sched.CLONE_NEWUSER, "CLONE_NEWUSER")),
            new SyscallStep(Syscall.setns, networkFile.Number, StepArgument.Flags(Sched.CLONE_NEWNET, "CLONE_NEWNET")),
            new SyscallStep(Syscall.socket, family, type, protocol) { Result = socket },
            DescriptorSocket.Hand(pair[1], socket),
        ]));
        SyscallResult received = SocketSyscalls.ReceiveDescriptor(receive);
        received.ThrowIfError("open", "a socket in the container's network", "recvmsg(2)");
        return new LinuxHandle((int)received.Value);
    }
}
