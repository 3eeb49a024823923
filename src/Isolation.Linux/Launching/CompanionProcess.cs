using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A trusted program of the host that accompanies another process, and ends with it, and with this process, by whatever means they end.</summary>
/// <remarks>A sealed image starts it, waits for the pidfds of both, and kills it then: its parent-death signal would be lost when it changes its credentials.</remarks>
internal sealed unsafe class CompanionProcess : IDisposable
{
    [ThreadStatic]
    private static LauncherThread? t_launcher;

    private readonly PidHandle _guard;
    private readonly LinuxHandle _output;

    private CompanionProcess(PidHandle guard, LinuxHandle output) => (_guard, _output) = (guard, output);

    /// <summary>Whether the program itself has ended: nothing more can be written by it.</summary>
    internal bool HasExited { get; private set; }

    /// <summary>Starts a program on the calling thread.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, its name first.</param>
    /// <param name="accompanied">The process with which it ends.</param>
    /// <exception cref="LinuxException">It could not be started.</exception>
    internal static CompanionProcess Start(string path, IReadOnlyList<string> arguments, PidHandle accompanied)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC | Fcntl.O_NONBLOCK).ThrowIfError("start", $"\"{path}\"", "pipe2(2)");
        var read = new LinuxHandle(pipe[0]);
        using var write = new LinuxHandle(pipe[1]);
        // Launcher threads may all be waiting for what this is a part of.
        var request = new Request(path, arguments, accompanied, write);
        (t_launcher ??= new LauncherThread()).RunOne(request);
        try
        {
            return new CompanionProcess(request.Result(), read);
        }
        catch
        {
            read.Dispose();
            throw;
        }
    }

    /// <summary>What it has written to its outputs since the last time.</summary>
    internal string ReadOutput()
    {
        var text = new System.Text.StringBuilder();
        Span<byte> part = stackalloc byte[1024];
        SyscallResult result;
        while ((result = FileSyscalls.Read(_output, part)) is { Value: > 0 })
            text.Append(System.Text.Encoding.UTF8.GetString(part[..(int)result.Value]));
        HasExited |= result.Value == 0;
        return text.ToString();
    }

    /// <summary>Ends it now.</summary>
    public void Dispose()
    {
        if (_guard.IsClosed)
            return;
        // The guard takes a signal for its sign to end, and the program with it.
        _guard.TrySendSignal(GuardSignal);
        WaitSyscalls.Reap(_guard.Descriptor, block: true);
        _guard.Dispose();
        _output.Dispose();
    }

    private const int GuardSignal = 15;

    private sealed class Request : LaunchRequest
    {
        private readonly Slot _accompanied = new("accompanied"), _output = new("output"), _signals = new("signals");
        private readonly LinuxHandle[] _handles;
        private readonly string _path;
        private PidHandle? _started;
        private Exception? _failure;

        internal Request(string path, IReadOnlyList<string> arguments, PidHandle accompanied, LinuxHandle output)
        {
            _path = path;
            _handles = [accompanied, output];
            Program = Build(path, arguments);
        }

        internal override LaunchProgram Program { get; }

        internal PidHandle Result() => _started ?? throw (_failure ?? new InvalidOperationException("The launch told nothing."));

        internal override void Prepare(ProgramMemory memory)
        {
            memory.SlotValue(_accompanied) = _handles[0].Descriptor;
            memory.SlotValue(_output) = _handles[1].Descriptor;
        }

        internal override void OnStarted(PidHandle process, ProgramMemory memory) => _started = process;

        internal override void OnFailed(StepFailure failure) => _failure = new LinuxException("start", $"\"{_path}\"", Program.Program.Steps[failure.Index].CallName, failure.Errno);

        internal override void OnFailed(Exception exception) => _failure = exception;

        private LaunchProgram Build(string path, IReadOnlyList<string> arguments)
        {
            Slot self = new("parent-process"), report = new("report"), image = new("sealed-image"), child = new("child"), none = new("null");
            var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
            writer.Add(new SyscallStep(Syscall.pidfd_open, Environment.ProcessId, 0) { Result = self });
            var parent = new StepRange(0, writer.Count);
            writer.Add(SealedSteps.Execute(image, [self, _accompanied, _output, report], "isolation-companion").Calls.AsSpan());
            var borrowed = new StepRange(parent.End, writer.Count);
            StepArgument signal = StepArgument.Words("[SIGTERM]", 1ul << (GuardSignal - 1));
            SyscallStep[] program =
            [
                new(Syscall.openat, StepArgument.CurrentDirectory, "/dev/null", StepArgument.Flags(Fcntl.O_RDWR, "O_RDWR")) { Result = none },
                new(Syscall.dup3, none, 0, 0),
                new(Syscall.dup3, _output, 1, 0),
                new(Syscall.dup3, _output, 2, 0),
                new(Syscall.close_range, 3, uint.MaxValue, 0),
                .. SignalSteps.Reset,
                new(Syscall.execve, path, StepArgument.StringArray(arguments), StepArgument.StringArray(["PATH=/usr/sbin:/usr/bin:/sbin:/bin"])) { Tolerated = [Errno.ENOENT, Errno.EACCES, Errno.ENOEXEC] },
                new(Syscall.exit_group, 127),
            ];
            writer.Add(
                new SyscallStep(Syscall.setsid) { Tolerated = [Errno.EPERM] },
                new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NAME, "PR_SET_NAME"), "isolation-comp"),
                new SyscallStep(Syscall.chdir, "/"),
                new SyscallStep(Syscall.rt_sigprocmask, StepArgument.Flags(0, "SIG_BLOCK"), signal, StepArgument.Null, 8),
                new SyscallStep(Syscall.signalfd4, -1, signal, 8, StepArgument.Flags(Fcntl.O_CLOEXEC, "SFD_CLOEXEC")) { Result = _signals });
            writer.Add(SealedSteps.ReportReady(report).Calls[0] with { Tolerated = [Errno.EPIPE] });
            writer.Add(
                new SyscallStep(Syscall.close, report),
                new SyscallStep(Syscall.clone, StepArgument.Flags(Sched.SIGCHLD, "SIGCHLD"), 0, 0, 0, 0) { Result = child, Rule = StepRule.ZeroContinues, SkipOnSuccess = checked((sbyte)program.Length) });
            writer.Add(program);
            writer.Add(
                new SyscallStep(Syscall.close, _output),
                new SyscallStep(Syscall.close_range, 0, 2, 0),
                new SyscallStep(Syscall.ppoll, new DataArgument("[{parent, POLLIN}, {accompanied, POLLIN}, {signals, POLLIN}]", [0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0])
                { Slots = [(0, self), (8, _accompanied), (16, _signals)] }, 3, StepArgument.Null, StepArgument.Null, 8),
                new SyscallStep(Syscall.kill, child, StepArgument.Flags(Sched.SIGKILL, "SIGKILL")) { Tolerated = [Errno.ESRCH] },
                new SyscallStep(Syscall.wait4, child, StepArgument.Null, 0, StepArgument.Null) { Tolerated = [Errno.ECHILD] },
                new SyscallStep(Syscall.exit_group, 0));
            return LaunchProgram.OfImage(writer.Build(), parent, borrowed, image, report, self);
        }
    }
}
