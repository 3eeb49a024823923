using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A child that only exists while something is done with it: it waits, and ends.</summary>
internal static unsafe class BriefChild
{
    /// <summary>Clones into new namespaces, runs the action with the waiting child's id, and reaps the child.</summary>
    /// <exception cref="LinuxException">The clone was refused, or the action threw it.</exception>
    internal static void Run(ulong namespaces, string subject, Action<int> action)
    {
        int* pipes = stackalloc int[4];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipes, Fcntl.O_CLOEXEC).ThrowIfError("make", subject, "pipe2(2)");
        using LinuxHandle readyRead = new(pipes[0]), readyWrite = new(pipes[1]);
        RawSyscall.Invoke(Syscall.pipe2, (nuint)(pipes + 2), Fcntl.O_CLOEXEC).ThrowIfError("make", subject, "pipe2(2)");
        using LinuxHandle goRead = new(pipes[2]), goWrite = new(pipes[3]);
        SyscallProgram program = Program(pipes[1], pipes[2], pipes[3]);
        using var memory = new ProgramMemory();
        memory.LoadChild(program, namespaces);

        ExceptionDispatchInfo? failure = null;
        Thread server = OwnThread.Start("isolation handshake", () => failure = Serve(readyRead, goWrite, memory, action));
        long result = ExecutableCode.Launch(memory.Address);
        readyWrite.Dispose();
        server.Join();
        if (result < 0)
            throw new LinuxException("make", subject, "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        WaitSyscalls.Reap(process, block: true);
        failure?.Throw();
    }

    private static ExceptionDispatchInfo? Serve(LinuxHandle ready, LinuxHandle go, ProgramMemory memory, Action<int> action)
    {
        Span<byte> token = stackalloc byte[1];
        try
        {
            SyscallResult came = FileSyscalls.Read(ready, token);
            came.ThrowIfError("wait for", "the new process", "read(2)");
            if (came.Value == 1)
                action(PidHandle.ReadProcessId(memory.Int32(InterpreterLayout.PidDescriptor)));
            return null;
        }
#pragma warning disable CA1031 // Whatever it is, is thrown where the child is waited for.
        catch (Exception e)
#pragma warning restore CA1031
        {
            return ExceptionDispatchInfo.Capture(e);
        }
        finally
        {
            go.Dispose();
        }
    }

    private static SyscallProgram Program(int readyWrite, int goRead, int goWrite)
    {
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(
            new SyscallStep(Syscall.prctl, Prctl.PR_SET_PDEATHSIG, Sched.SIGKILL),
            new SyscallStep(Syscall.close, goWrite),
            new SyscallStep(Syscall.write, readyWrite, StepArgument.Bytes([1], "\"\\1\""), 1),
            new SyscallStep(Syscall.read, goRead, StepArgument.Words("[token]", 0), 1),
            new SyscallStep(Syscall.exit_group, 0));
        return writer.Build();
    }
}
