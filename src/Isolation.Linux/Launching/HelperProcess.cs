using System.Collections.Immutable;
using System.Runtime.InteropServices;
using System.Text;
using Isolation.Linux.Abi;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Runs a small trusted program of the host and waits for it, on the calling thread: newuidmap, newgidmap.</summary>
internal static unsafe class HelperProcess
{
    private const int MaxOutput = 4096;

    /// <summary>Runs a program with an empty environment and closed input; returns how it ended and what it wrote.</summary>
    /// <exception cref="LinuxException">It could not be started.</exception>
    internal static (ExitStatus Status, string Output) Run(string path, IReadOnlyList<string> arguments)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC).ThrowIfError("run", $"\"{path}\"", "pipe2(2)");
        using var read = new LinuxHandle(pipe[0]);
        var write = new LinuxHandle(pipe[1]);
        SyscallProgram program = Program(path, arguments, pipe[1]);
        using var memory = new ProgramMemory();
        memory.Load(program);
        memory.SelectSteps(0, program.Steps.Length);
        memory.Int64(InterpreterLayout.CloneNumber) = SyscallNumber.Native(Syscall.clone);
        memory.Int64(InterpreterLayout.CloneArguments) = (long)(Sched.CLONE_VM | Sched.CLONE_VFORK | Sched.CLONE_PIDFD);
        memory.Int64(InterpreterLayout.CloneArguments + 16) = memory.BaseAddress + InterpreterLayout.PidDescriptor;
        long result = ExecutableCode.Launch(memory.Address);
        write.Dispose();
        if (result < 0)
            throw new LinuxException("run", $"\"{path}\"", "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        string output = ReadAll(read);
        ExitStatus status = WaitSyscalls.Reap(process.Descriptor, block: true) ?? default;
        return memory.Int32(InterpreterLayout.FailedStep) < 0
            ? (status, output)
            : throw new LinuxException("run", $"\"{path}\"", "execve(2)", (Errno)memory.Int32(InterpreterLayout.FailedErrno));
    }

    private static SyscallProgram Program(string path, IReadOnlyList<string> arguments, int output)
    {
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(
            new SyscallStep(Syscall.dup3, output, 1, 0),
            new SyscallStep(Syscall.dup3, output, 2, 0),
            new SyscallStep(Syscall.close_range, 3, uint.MaxValue, Fcntl.CLOSE_RANGE_CLOEXEC));
        writer.Add(SignalSteps.Reset.AsSpan());
        writer.Add(new SyscallStep(Syscall.execve, path, StepArgument.StringArray(arguments), StepArgument.StringArray([])));
        return writer.Build();
    }

    private static string ReadAll(LinuxHandle pipe)
    {
        var output = new byte[MaxOutput];
        int length = 0;
        while (length < MaxOutput && FileSyscalls.Read(pipe, output.AsSpan(length)) is { Value: > 0 } part)
            length += (int)part.Value;
        return Encoding.UTF8.GetString(output, 0, length);
    }
}
