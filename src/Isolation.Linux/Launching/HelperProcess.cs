using System.Collections.Immutable;
using System.Diagnostics;
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

    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30);

    /// <summary>Runs a program with an empty environment and closed input; returns how it ended and what it wrote.</summary>
    /// <remarks>Of its output the first 4 KiB are kept, and the rest is read all the same.</remarks>
    /// <exception cref="LinuxException">It could not be started. <c>ETIMEDOUT</c>: it had not ended after 30 s, and was killed.</exception>
    internal static (ExitStatus Status, string Output) Run(string path, IReadOnlyList<string> arguments)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC).ThrowIfError("run", $"\"{path}\"", "pipe2(2)");
        using var read = new LinuxHandle(pipe[0]);
        var write = new LinuxHandle(pipe[1]);
        SyscallProgram program = Program(path, arguments, pipe[1]);
        using var memory = new ProgramMemory();
        memory.LoadChild(program);
        long result = ExecutableCode.Launch(memory.Address);
        write.Dispose();
        if (result < 0)
            throw new LinuxException("run", $"\"{path}\"", "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        (string output, bool ended) = ReadUntilEnd(read, process);
        if (!ended)
            process.TrySendSignal(Signal.SIGKILL);
        ExitStatus status = WaitSyscalls.Reap(process, block: true) ?? default;
        if (!ended)
            throw new LinuxException("run", $"\"{path}\"", "waitid(2)", Errno.ETIMEDOUT,
                remedy: $"It had not ended after {s_limit.TotalSeconds} s.");
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

    /// <summary>Reads until the process has ended; what it left running may keep the pipe.</summary>
    private static (string Output, bool Ended) ReadUntilEnd(LinuxHandle pipe, PidHandle process)
    {
        RawSyscall.Invoke(Syscall.fcntl, pipe, Fcntl.F_SETFL, Fcntl.O_NONBLOCK);
        var output = new byte[MaxOutput];
        Span<byte> part = stackalloc byte[1024];
        int length = 0;
        long start = Stopwatch.GetTimestamp();
        while (true)
        {
            bool ended = process.HasExited;
            while (FileSyscalls.Read(pipe, part) is { Value: > 0 } read)
            {
                int kept = Math.Min((int)read.Value, MaxOutput - length);
                part[..kept].CopyTo(output.AsSpan(length));
                length += kept;
            }

            TimeSpan left = s_limit - Stopwatch.GetElapsedTime(start);
            if (ended || left <= TimeSpan.Zero)
                return (Encoding.UTF8.GetString(output, 0, length), ended);
            PollSyscalls.WaitForEither(pipe, process, left);
        }
    }
}
