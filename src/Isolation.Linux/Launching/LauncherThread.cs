using System.Globalization;
using System.Runtime.CompilerServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>One long-lived thread that makes processes. Owns the memory that programs are loaded to.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Lives as long as the process.")]
internal sealed unsafe class LauncherThread
{
    private readonly ProgramMemory _memory = new();
    private readonly HandshakeThread _handshake = new();
    private readonly SealedImageCache _image = new();
    private int _self = -1; // lives as long as the process
    private LaunchedProcesses? _processes;
    private bool _loaded;

    internal void Run(Func<LaunchRequest> take)
    {
        while (true)
            Next(take);
    }

    // In a frame of its own: while the thread waits, no variable holds the last request, and with it a plan and its descriptors.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private void Next(Func<LaunchRequest> take) => RunOne(take());

    /// <summary>Makes one launch on the calling thread, which must be the same each time.</summary>
    internal void RunOne(LaunchRequest request)
    {
        (_loaded, _processes) = (false, null);
        try
        {
            if (_self < 0)
                _self = OpenSelf();
            Launch(request);
        }
#pragma warning disable CA1031 // Whatever it is belongs to the one launch, not to this thread and the process.
        catch (Exception e)
#pragma warning restore CA1031
        {
            UndoAfter(e, request);
            request.OnFailed(e);
        }
        finally
        {
            request.Cancellation.End();
        }
    }

    /// <summary>Undoes a launch that an exception has ended; what cannot be undone must not hide it.</summary>
    private void UndoAfter(Exception failure, LaunchRequest request)
    {
        try
        {
            _processes?.KillAndReap();
        }
        catch (LinuxException e)
        {
            failure.Data["left"] = e;
        }

        try
        {
            Undo(request);
        }
#pragma warning disable CA1031 // The request is answered with what came first.
        catch (Exception e)
#pragma warning restore CA1031
        {
            failure.Data["left"] = e;
        }
    }

    private void Launch(LaunchRequest request)
    {
        LaunchProgram launch = request.Program;
        using Deadline limit = request.Cancellation.Limit(request.Limit);
        _memory.Load(launch.Program);
        _loaded = true;
        if (request.BrokenStep >= 0)
            _memory.BreakStep(request.BrokenStep);
        if (launch.ParentThread is { } parent)
            _memory.SlotValue(parent) = _self;
        request.Prepare(_memory);
        if (ManagedInterpreter.Run(_memory, launch.Parent.First, launch.Parent.End) is { } failure)
        {
            Undo(request);
            request.OnFailed(failure);
            return;
        }

        request.BeforeClone(_memory);
        if (request.Cancellation.IsRequested)
            throw request.Cancellation.IsTimedOut ? TimedOut(request) : new OperationCanceledException();

        LinuxHandle? report = launch.Report is null ? null : PrepareReport(request, launch);
        using (report)
            Clone(request, launch, report);
    }

    private void Clone(LaunchRequest request, LaunchProgram launch, LinuxHandle? report)
    {
        _memory.SelectSteps(launch.Borrowed.First, launch.Borrowed.End);
        WriteCloneArguments(launch);
        if (launch.Barrier is not null)
            _handshake.Begin(request, launch, _memory);
        if (launch.ChangesDumpable)
            Dumpable.Enter(); // nothing that throws comes before the leaving
        request.Cancellation.Begin(_memory);
        long result = ExecutableCode.Launch(_memory.Address);
        if (launch.ChangesDumpable)
            Dumpable.Leave();
        Exception? handshakeFailure = launch.Barrier is null ? null : _handshake.End(launch, _memory);
        if (result < 0)
        {
            request.Cancellation.End();
            Undo(request);
            request.OnFailed(new LinuxException("create", "the process", "clone3(2)", (Errno)(-result),
                remedy: CloneHint((Errno)(-result), launch.CloneFlags)));
            return;
        }

        var process = new PidHandle(_memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        _processes = new LaunchedProcesses(process, launch.Siblings is not null);
        request.Cancellation.Follow(process);
        Finish(request, launch, _processes, report, handshakeFailure);
    }

    private void Finish(LaunchRequest request, LaunchProgram launch, LaunchedProcesses processes, LinuxHandle? report,
        Exception? handshakeFailure)
    {
        // The write ends must be gone here before the end of file can come.
        CloseSlots(launch.Connection is { } connection
            ? launch.Temporary.RemoveRange([connection.ReadyRead, connection.GoWrite])
            : launch.Temporary);
        StepFailure? failure = BorrowedFailure();
        // A forked child's progress is not seen here; its report will tell.
        bool executed = failure is null
            && (launch.Form == LaunchForm.Forked || LastStep(launch, _memory) >= launch.FirstExecution);
        if (executed && launch.Siblings is { } socket)
            handshakeFailure ??= Adopt(request, launch, processes, socket);
        if (executed && report is not null)
            (failure, executed) =
                ReadReport(report, processes.Program, launch.Form == LaunchForm.Sealed ? launch.Sealed.First : launch.Borrowed.First);
        if (handshakeFailure is null && failure is null && executed)
        {
            HandOver(request, processes);
            return;
        }

        request.Cancellation.End();
        ExitStatus status = processes.KillAndReap();
        _processes = null;
        Undo(request);
        if (handshakeFailure is not null && (failure is null || failure.Value.Errno == Errno.None))
            request.OnFailed(handshakeFailure);
        else if (failure is { } step && (step.Errno != Errno.None || status.Signal is null))
            request.OnFailed(step);
        else
            request.OnFailed(new KilledWhileStartingException(Math.Max(LastStep(launch, _memory), launch.Borrowed.First), status,
                request.Cancellation.IsTimedOut ? request.Limit : null));
    }

    /// <summary>The step of this memory that the child was at; -1 where it was killed before the first.</summary>
    internal static int LastStep(LaunchProgram launch, ProgramMemory memory) =>
        memory.Int64(InterpreterLayout.Progress) is not 0 and var step ? Math.Min(memory.StepIndexOf(step), launch.Borrowed.End - 1) : -1;

    private static LinuxException TimedOut(LaunchRequest request) => new("start", "the container", "clone3(2)", Errno.ETIMEDOUT,
        remedy: string.Create(CultureInfo.InvariantCulture,
            $"What this process does before it had not ended after {request.Limit.TotalSeconds:0.#} s."));

    private void HandOver(LaunchRequest request, LaunchedProcesses processes)
    {
        request.Cancellation.End();
        request.Held.Dispose();
        if (processes.Init is { } init)
            request.OnInit(init);
        request.OnStarted(processes.Program, _memory);
        _processes = null; // not before: nobody would end what could not be watched
    }

    /// <summary>Takes over the processes that the intermediate one has made, and does for the program's what it waits for.</summary>
    /// <returns>What failed here; null where nothing did, or a step of one of them, which its report will tell.</returns>
    private Exception? Adopt(LaunchRequest request, LaunchProgram launch, LaunchedProcesses processes, Slot socket)
    {
        using (var end = new LinuxHandle(_memory.SlotValue(socket)))
        {
            _memory.SlotValue(socket) = -1;
            if (!processes.Receive(end))
                return null;
            request.Cancellation.Follow(processes.Program);
            if (launch.Connection is not { } connection)
                return null;
            byte token = 0;
            try
            {
                using (var ready = new LinuxHandle(_memory.SlotValue(connection.ReadyRead)))
                {
                    _memory.SlotValue(connection.ReadyRead) = -1;
                    if (PollSyscalls.WaitForFirst(ready, processes.Program)
                        && RawSyscall.InvokeRestarting(Syscall.read, ready, (nuint)(&token), 1).Value == 1)
                        request.Connect(processes.Program.ProcessId);
                }

                RawSyscall.InvokeRestarting(Syscall.write, (nuint)_memory.SlotValue(connection.GoWrite), (nuint)(&token), 1);
            }
#pragma warning disable CA1031 // Whatever it is fails the launch.
            catch (Exception e)
#pragma warning restore CA1031
            {
                // A child of another launch may have a copy of the pipe whose end it waits for.
                processes.Program.TrySendSignal(Signal.SIGKILL);
                return e;
            }
            finally
            {
                CloseSlots([connection.GoWrite]);
            }
        }

        return null;
    }

    private StepFailure? BorrowedFailure()
    {
        int step = _memory.Int32(InterpreterLayout.FailedStep);
        if (step < 0)
            return null;
        int first = _memory.StepIndexOf(_memory.Int64(InterpreterLayout.FirstStep));
        return new StepFailure(first + step, (Errno)_memory.Int32(InterpreterLayout.FailedErrno));
    }

    /// <summary>Reads what the sealed image reports: {-1, 0} before it executes the program, {step, errno} where one failed.</summary>
    private (StepFailure? Failure, bool Executed) ReadReport(LinuxHandle report, PidHandle process, int first)
    {
        int* message = stackalloc int[2];
        bool executed = false;
        // Not woken by the report itself: what it says is only needed once the program has been executed or the image has ended.
        // Its end counts too: a child of another launch may have a copy of the pipe, for as long as it waits itself.
        PollSyscalls.WaitForHangUp(report, process);
        RawSyscall.Invoke(Syscall.fcntl, report, Fcntl.F_SETFL, Fcntl.O_NONBLOCK);
        while (RawSyscall.InvokeRestarting(Syscall.read, report, (nuint)message, 8).Value == 8)
        {
            if (message[0] >= 0)
                return (new StepFailure(first + message[0], (Errno)message[1]), false);
            executed = true;
        }

        return (null, executed);
    }

    /// <summary>Makes the pipe by which a child that does not share this memory reports, and the sealed image that knows its
    /// number.</summary>
    private LinuxHandle PrepareReport(LaunchRequest request, LaunchProgram launch)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC).ThrowIfError("create", "the report pipe", "pipe2(2)");
        var report = new LinuxHandle(pipe[0]);
        try
        {
            int write = pipe[1];
            if (write < launch.MinimumDescriptor)
            {
                SyscallResult moved = RawSyscall.Invoke(Syscall.fcntl, (nuint)write, Fcntl.F_DUPFD_CLOEXEC,
                    (nuint)launch.MinimumDescriptor);
                RawSyscall.Invoke(Syscall.close, (nuint)write);
                moved.ThrowIfError("duplicate", "the report pipe", "fcntl(2)");
                write = (int)moved.Value;
            }

            _memory.SlotValue(launch.Report!) = write;
            if (launch.SealedFile is { } image)
                _memory.SlotValue(image) = request.Held.Hold(_image.For(launch, _memory, write));
            else
                _memory.Int64(InterpreterLayout.ReportDescriptor) = write;
            return report;
        }
        catch
        {
            report.Dispose();
            throw;
        }
    }

    private void WriteCloneArguments(LaunchProgram launch)
    {
        ulong namespaces = launch.CloneFlags;
        byte* context = (byte*)_memory.Address;
        var arguments = (clone_args*)(context + InterpreterLayout.CloneArgs);
        *arguments = default;
        ulong shared = launch.Form == LaunchForm.Forked ? 0 : Sched.CLONE_VM | Sched.CLONE_VFORK;
        arguments->flags = namespaces | shared | Sched.CLONE_PIDFD | Sched.CLONE_PARENT_SETTID | Sched.CLONE_CLEAR_SIGHAND;
        arguments->pidfd = (ulong)(context + InterpreterLayout.PidDescriptor);
        arguments->parent_tid = (ulong)(context + InterpreterLayout.ChildId);
        if (launch.Cgroup is { } cgroup)
        {
            arguments->flags |= Sched.CLONE_INTO_CGROUP;
            arguments->cgroup = (ulong)_memory.SlotValue(cgroup);
        }

        ulong* words = (ulong*)(context + InterpreterLayout.CloneArguments);
        if (CloneSupport.HasClone3)
        {
            *(ulong*)(context + InterpreterLayout.CloneNumber) = (ulong)SyscallNumber.Native(Syscall.clone3);
            words[0] = (ulong)arguments;
            words[1] = (ulong)sizeof(clone_args);
            return;
        }

        // clone(2): the pidfd goes where the thread id would; handlers are reset by exec, and no signal gets in before it.
        *(ulong*)(context + InterpreterLayout.CloneNumber) = (ulong)SyscallNumber.Native(Syscall.clone);
        words[0] = namespaces | shared | Sched.CLONE_PIDFD;
        words[1] = 0;
        words[2] = arguments->pidfd;
        words[3] = words[4] = 0;
    }

    private void Undo(LaunchRequest request)
    {
        try
        {
            // Otherwise the memory holds another launch's slots.
            if (_loaded)
                request.Undo(_memory);
        }
        finally
        {
            if (_loaded)
            {
                CloseSlots(request.Program.Temporary);
                CloseSlots(request.Program.Kept);
            }

            request.Held.Dispose();
        }
    }

    private void CloseSlots(System.Collections.Immutable.ImmutableArray<Slot> slots)
    {
        for (int i = slots.Length - 1; i >= 0; i--)
        {
            if (!_memory.HasSlot(slots[i]))
                continue;
            ref int descriptor = ref _memory.SlotValue(slots[i]);
            if (descriptor >= 0)
                RawSyscall.Invoke(Syscall.close, (nuint)descriptor);
            descriptor = -1;
        }
    }

    /// <summary>A pidfd of this thread, which becomes readable when the thread is gone; of the process before Linux 6.9.</summary>
    private static int OpenSelf()
    {
        nuint thread = (nuint)RawSyscall.Invoke(Syscall.gettid).Value;
        SyscallResult result = RawSyscall.Invoke(Syscall.pidfd_open, thread, Sched.PIDFD_THREAD);
        if (result.IsError)
            result = RawSyscall.Invoke(Syscall.pidfd_open, (nuint)Environment.ProcessId, 0);
        result.ThrowIfError("open a pidfd of", "the launcher thread", "pidfd_open(2)");
        return (int)result.Value;
    }

    private static string? CloneHint(Errno errno, ulong flags) => errno switch
    {
        Errno.EPERM when (flags & Sched.CLONE_NEWUSER) != 0 =>
            "User namespaces are forbidden to this user; see kernel.unprivileged_userns_clone, AppArmor's userns restriction, or the "
                + "seccomp filter of an outer container.",
        Errno.EPERM => "Making these namespaces needs CAP_SYS_ADMIN, or a user namespace of their own.",
        Errno.ENOSPC => string.Create(CultureInfo.InvariantCulture,
            $"A limit in /proc/sys/user/max_*_namespaces was reached, or namespaces are nested 32 deep."),
        Errno.EAGAIN => "The user's process limit (ulimit -u, pids.max) was reached.",
        Errno.EACCES or Errno.EOPNOTSUPP or Errno.ENODEV =>
            "The container's control group could not be entered: it is threaded, gone, or the control group above both is not delegated.",
        _ => null,
    };
}
