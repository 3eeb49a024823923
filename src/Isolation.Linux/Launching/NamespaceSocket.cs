using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A socket in the network namespace of an ordinary user's container: opened there by a child that enters the container's user namespace, as this process of many threads cannot.</summary>
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
        RawSyscall.Invoke(Syscall.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (nuint)pair).ThrowIfError("open", "a socket in the container's network", "socketpair(2)");
        using LinuxHandle receive = new(pair[0]), send = new(pair[1]);
        Slot socket = new("socket");
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        SyscallStep[] steps =
        [
            new(Syscall.prctl, Prctl.PR_SET_PDEATHSIG, Sched.SIGKILL),
            new(Syscall.setns, user.Descriptor, StepArgument.Flags(Sched.CLONE_NEWUSER, "CLONE_NEWUSER")),
            new(Syscall.setns, network.Descriptor, StepArgument.Flags(Sched.CLONE_NEWNET, "CLONE_NEWNET")),
            new(Syscall.socket, family, type, protocol) { Result = socket },
            DescriptorSocket.Hand(send.Descriptor, socket),
            new(Syscall.exit_group, 0),
        ];
        writer.Add(steps);
        SyscallProgram program = writer.Build();
        using var memory = new ProgramMemory();
        memory.Load(program);
        memory.SelectSteps(0, program.Steps.Length);
        memory.Int64(InterpreterLayout.CloneNumber) = SyscallNumber.Native(Syscall.clone);
        memory.Int64(InterpreterLayout.CloneArguments) = (long)(Sched.CLONE_VM | Sched.CLONE_VFORK | Sched.CLONE_PIDFD);
        memory.Int64(InterpreterLayout.CloneArguments + 16) = memory.BaseAddress + InterpreterLayout.PidDescriptor;
        Dumpable.Enter();
        long result;
        try
        {
            result = ExecutableCode.Launch(memory.Address);
        }
        finally
        {
            Dumpable.Leave();
        }

        if (result < 0)
            throw new LinuxException("open", "a socket in the container's network", "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        WaitSyscalls.Reap(process.Descriptor, block: true);
        if (memory.Int32(InterpreterLayout.FailedStep) is >= 0 and var failed)
            throw new LinuxException("open", "a socket in the container's network", steps[Math.Min(failed, steps.Length - 1)].CallName, (Errno)memory.Int32(InterpreterLayout.FailedErrno));
        SyscallResult received = SocketSyscalls.ReceiveDescriptor(receive);
        received.ThrowIfError("open", "a socket in the container's network", "recvmsg(2)");
        return new LinuxHandle((int)received.Value);
    }
}
