using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A trusted program of the host that accompanies another process, and ends with it, and with this process, by whatever means they
/// end.</summary>
/// <remarks>A sealed image starts it, waits for the pidfds of both, and kills it then: its parent-death signal would be lost when it
/// changes its credentials.</remarks>
internal sealed unsafe class CompanionProcess : IDisposable
{
    [ThreadStatic]
    private static LauncherThread? t_launcher;

    // Of what it says, the last that many bytes are of interest.
    private const int MostOutput = 4096;

    private readonly Lock _gate = new();
    private readonly List<byte> _said = [];
    private readonly PidHandle _guard;
    private readonly LinuxHandle _output;
    private readonly long _watch;
    private volatile bool _exited;

    private CompanionProcess(PidHandle guard, LinuxHandle output)
    {
        (_guard, _output) = (guard, output);
        RawSyscall.Invoke(Syscall.fcntl, output, Fcntl.F_SETFL, Fcntl.O_NONBLOCK)
            .ThrowIfError("read", "the output of a companion process", "fcntl(2)");
        // As long as it lives: with a full pipe it would stand still, whoever has stopped reading.
        _watch = DescriptorWatcher.Begin(output, DescriptorWatcher.EPOLLIN, "the output of a companion process", TakeOutput);
    }

    /// <summary>Whether the program itself has ended: nothing more can be written by it.</summary>
    internal bool HasExited => _exited;

    /// <summary>Starts a program on the calling thread.</summary>
    /// <param name="path">The program.</param>
    /// <param name="arguments">Its arguments, its name first.</param>
    /// <param name="accompanied">The process with which it ends.</param>
    /// <param name="input">Its standard input, which it may know as <c>/proc/self/fd/0</c>; null for /dev/null.</param>
    /// <exception cref="LinuxException">It could not be started.</exception>
    internal static CompanionProcess Start(string path, IReadOnlyList<string> arguments, PidHandle accompanied, LinuxHandle? input = null)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC).ThrowIfError("start", $"\"{path}\"", "pipe2(2)");
        var read = new LinuxHandle(pipe[0]);
        using var write = new LinuxHandle(pipe[1]);
        // Launcher threads may all be waiting for what this is a part of.
        var request = new Request(path, arguments, accompanied, write, input);
        (t_launcher ??= new LauncherThread()).RunOne(request);
        PidHandle? guard = null;
        try
        {
            guard = request.Result();
            return new CompanionProcess(guard, read);
        }
        catch
        {
            read.Dispose();
            guard?.TrySendSignal(GuardSignal);
            if (guard is not null)
                WaitSyscalls.Reap(guard, block: true);
            guard?.Dispose();
            throw;
        }
    }

    /// <summary>The last of what it has written to its outputs and was not read yet.</summary>
    internal string ReadOutput()
    {
        lock (_gate)
        {
            string text = System.Text.Encoding.UTF8.GetString([.. _said]);
            _said.Clear();
            return text;
        }
    }

    private void TakeOutput(long watch, uint seen)
    {
        Span<byte> part = stackalloc byte[1024];
        // So much at a time, for others are watched too.
        for (int i = 0; i < 64; i++)
        {
            SyscallResult result = FileSyscalls.Read(_output, part);
            if (result.Value == 0)
            {
                _exited = true;
                DescriptorWatcher.End(watch);
                return;
            }

            if (result.IsError)
                break;
            lock (_gate)
            {
                _said.AddRange(part[..(int)result.Value]);
                if (_said.Count > MostOutput)
                    _said.RemoveRange(0, _said.Count - MostOutput);
            }
        }

        DescriptorWatcher.Rearm(watch, DescriptorWatcher.EPOLLIN);
    }

    /// <summary>Ends it now.</summary>
    public void Dispose()
    {
        if (_guard.IsClosed)
            return;
        // The guard takes a signal for its sign to end, and the program with it.
        _guard.TrySendSignal(GuardSignal);
        WaitSyscalls.Reap(_guard, block: true);
        _guard.Dispose();
        DescriptorWatcher.End(_watch);
        _output.Dispose();
    }

    private const Signal GuardSignal = Signal.SIGTERM;

    private sealed class Request : LaunchRequest
    {
        private readonly Slot _accompanied = new("accompanied"), _output = new("output"), _signals = new("signals");
        private readonly Slot? _input;
        private readonly LinuxHandle? _inputHandle;
        private readonly LinuxHandle[] _handles;
        private readonly string _path;
        private PidHandle? _started;
        private Exception? _failure;

        internal Request(string path, IReadOnlyList<string> arguments, PidHandle accompanied, LinuxHandle output, LinuxHandle? input)
        {
            _path = path;
            _inputHandle = input;
            _input = input is null ? null : new Slot("input");
            _handles = [accompanied, output];
            Program = Build(path, arguments);
        }

        internal override LaunchProgram Program { get; }

        internal PidHandle Result() => _started ?? throw (_failure ?? new InvalidOperationException("The launch told nothing."));

        internal override void Prepare(ProgramMemory memory)
        {
            memory.SlotValue(_accompanied) = Held.Hold(_handles[0]);
            memory.SlotValue(_output) = Held.Hold(_handles[1]);
            if (_input is { } slot)
                memory.SlotValue(slot) = Held.Hold(_inputHandle!);
        }

        internal override void OnStarted(PidHandle process, ProgramMemory memory) => _started = process;

        internal override void OnFailed(StepFailure failure) =>
            _failure = new LinuxException("start", $"\"{_path}\"", Program.Program.Steps[failure.Index].CallName, failure.Errno);

        internal override void OnFailed(Exception exception) => _failure = exception;

        private static SyscallStep Await(Slot all, Slot one) =>
            new(Syscall.epoll_ctl, all, StepArgument.Flags(1, "EPOLL_CTL_ADD"), one,
                StepArgument.Words("{EPOLLIN}", DescriptorWatcher.EPOLLIN, 0));

        private LaunchProgram Build(string path, IReadOnlyList<string> arguments)
        {
            Slot self = new("parent-process"), report = new("report"), image = new("sealed-image"), child = new("child"),
                none = new("null"), ends = new("ends");
            var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
            writer.Add(new SyscallStep(Syscall.pidfd_open, Environment.ProcessId, 0) { Result = self });
            var parent = new StepRange(0, writer.Count);
            writer.Add(SealedSteps.Execute(image, [self, _accompanied, _output, report, .. _input is { } given ? [given]
                : Array.Empty<Slot>()], "isolation-companion").Calls.AsSpan());
            var borrowed = new StepRange(parent.End, writer.Count);
            StepArgument signal = StepArgument.Words("[SIGTERM]", 1ul << ((int)GuardSignal - 1));
            SyscallStep[] standardInput = _input is { } input ? [new(Syscall.dup3, input, 0, 0)] :
            [
                new(Syscall.openat, StepArgument.CurrentDirectory, "/dev/null", StepArgument.Flags(Fcntl.O_RDWR, "O_RDWR"))
                {
                    Result = none
                },
                new(Syscall.dup3, none, 0, 0),
            ];
            SyscallStep[] program =
            [
                .. standardInput,
                new(Syscall.dup3, _output, 1, 0),
                new(Syscall.dup3, _output, 2, 0),
                new(Syscall.close_range, 3, uint.MaxValue, 0),
                .. SignalSteps.Reset,
                new(Syscall.execve, path, StepArgument.StringArray(arguments),
                    StepArgument.StringArray(["PATH=/usr/sbin:/usr/bin:/sbin:/bin"]))
                {
                    Tolerated = [Errno.ENOENT, Errno.EACCES, Errno.ENOEXEC]
                },
                new(Syscall.exit_group, 127),
            ];
            writer.Add(
                new SyscallStep(Syscall.setsid) { Tolerated = [Errno.EPERM] },
                new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_NAME, "PR_SET_NAME"), "isolation-comp"),
                new SyscallStep(Syscall.chdir, "/"),
                new SyscallStep(Syscall.rt_sigprocmask, StepArgument.Flags(0, "SIG_BLOCK"), signal, StepArgument.Null, 8),
                new SyscallStep(Syscall.signalfd4, -1, signal, 8, StepArgument.Flags(Fcntl.O_CLOEXEC, "SFD_CLOEXEC"))
                {
                    Result = _signals
                });
            writer.Add(SealedSteps.ReportReady(report).Calls[0] with { Tolerated = [Errno.EPIPE] });
            writer.Add(
                new SyscallStep(Syscall.close, report),
                new SyscallStep(Syscall.clone, StepArgument.Flags(Sched.SIGCHLD, "SIGCHLD"), 0, 0, 0, 0)
                { Result = child, Rule = StepRule.ZeroContinues, SkipOnSuccess = checked((sbyte)program.Length) });
            writer.Add(program);
            writer.Add(
                new SyscallStep(Syscall.close, _output),
                new SyscallStep(Syscall.close_range, 0, 2, 0),
                // Not by poll(2): the number that a step leaves in a slot has 64 bits, and would overwrite the events behind it.
                new SyscallStep(Syscall.epoll_create1, StepArgument.Flags(Fcntl.O_CLOEXEC, "EPOLL_CLOEXEC")) { Result = ends },
                Await(ends, self),
                Await(ends, _accompanied),
                Await(ends, _signals),
                new SyscallStep(Syscall.epoll_pwait, ends, StepArgument.Words("[event]", 0, 0), 1, -1, StepArgument.Null, 8),
                new SyscallStep(Syscall.kill, child, StepArgument.Flags(Sched.SIGKILL, "SIGKILL")) { Tolerated = [Errno.ESRCH] },
                new SyscallStep(Syscall.wait4, child, StepArgument.Null, 0, StepArgument.Null) { Tolerated = [Errno.ECHILD] },
                new SyscallStep(Syscall.exit_group, 0));
            return LaunchProgram.OfImage(writer.Build(), parent, borrowed, image, report, self);
        }
    }
}
