using System.Globalization;
using System.Runtime.CompilerServices;
using Isolation.Linux.Abi;
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
    private LinuxHandle? _self;
    private HashSet<int>? _childrenBefore;
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
        _loaded = false;
        try
        {
            _self ??= OpenSelf();
            Launch(request);
        }
#pragma warning disable CA1031 // Whatever it is belongs to the one launch, not to this thread and the process.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (_childrenBefore is not null)
                ThreadChildren.KillNew(_childrenBefore);
            Undo(request);
            request.OnFailed(e);
        }
    }

    private void Launch(LaunchRequest request)
    {
        LaunchProgram launch = request.Program;
        _childrenBefore = null;
        _memory.Load(launch.Program);
        _loaded = true;
        if (request.BrokenStep >= 0)
            _memory.BreakStep(request.BrokenStep);
        if (launch.ParentThread is { } parent)
            _memory.SlotValue(parent) = _self!.Descriptor;
        request.Prepare(_memory);
        if (ManagedInterpreter.Run(_memory, launch.Parent.First, launch.Parent.End) is { } failure)
        {
            Undo(request);
            request.OnFailed(failure);
            return;
        }

        request.BeforeClone(_memory);

        LinuxHandle? report = launch.Report is null ? null : PrepareReport(launch);
        using (report)
            Clone(request, launch, report);
    }

    private void Clone(LaunchRequest request, LaunchProgram launch, LinuxHandle? report)
    {
        _memory.SelectSteps(launch.Borrowed.First, launch.Borrowed.End);
        WriteCloneArguments(launch);
        if (launch.ChangesDumpable)
            Dumpable.Enter();
        if (launch.Barrier is not null)
            _handshake.Begin(request, launch, _memory);
        _childrenBefore = launch.JoinedId is null ? null : ThreadChildren.Read();
        long result = ExecutableCode.Launch(_memory.Address);
        if (launch.ChangesDumpable)
            Dumpable.Leave();
        Exception? handshakeFailure = launch.Barrier is null ? null : _handshake.End(launch, _memory);
        if (result < 0)
        {
            Undo(request);
            request.OnFailed(new LinuxException("create", "the process", "clone3(2)", (Errno)(-result), hint: CloneHint((Errno)(-result), launch.CloneFlags)));
            return;
        }

        var process = new PidHandle(_memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        Finish(request, launch, process, report, handshakeFailure);
    }

    private void Finish(LaunchRequest request, LaunchProgram launch, PidHandle process, LinuxHandle? report, Exception? handshakeFailure)
    {
        // The write end must be gone here before the end of file can come.
        CloseSlots(launch.Temporary);
        StepFailure? failure = BorrowedFailure();
        // A forked child's progress is not seen here; its report will tell.
        bool executed = failure is null
            && (launch.Form == LaunchForm.Forked || _memory.StepIndexOf(_memory.Int64(InterpreterLayout.Progress)) >= launch.FirstExecution);
        if (executed && launch.JoinedId is { } joined)
            process = AdoptJoined(process, joined);
        if (executed && report is not null)
            (failure, executed) = ReadReport(report, launch.Form == LaunchForm.Sealed ? launch.Sealed.First : launch.Borrowed.First);
        if (handshakeFailure is null && failure is null && executed)
        {
            HandOver(request, process);
            return;
        }

        ExitStatus status = KillAndReap(process);
        if (_childrenBefore is not null)
            ThreadChildren.KillNew(_childrenBefore);
        Undo(request);
        if (handshakeFailure is not null && (failure is null || failure.Value.Errno == Errno.None))
            request.OnFailed(handshakeFailure);
        else if (failure is { } step)
            request.OnFailed(step);
        else
            request.OnFailed(new KilledWhileStartingException(_memory.StepIndexOf(_memory.Int64(InterpreterLayout.Progress)), status));
    }

    private void HandOver(LaunchRequest request, PidHandle process)
    {
        try
        {
            request.OnStarted(process, _memory);
        }
        catch
        {
            // It could not be watched: nobody would ever end it.
            KillAndReap(process);
            throw;
        }
    }

    private static ExitStatus KillAndReap(PidHandle process)
    {
        process.TrySendSignal(Sched.SIGKILL);
        ExitStatus status = WaitSyscalls.Reap(process.Descriptor, block: true) ?? default;
        process.Dispose();
        return status;
    }

    /// <summary>Trades the intermediate process of a join for the real one, a child of this process too.</summary>
    private PidHandle AdoptJoined(PidHandle intermediate, Slot pipe)
    {
        long id = 0;
        bool cloned = RawSyscall.InvokeRestarting(Syscall.read, (nuint)_memory.SlotValue(pipe), (nuint)(&id), 8).Value == 8;
        CloseSlots([pipe]);
        if (!cloned)
            return intermediate;
        WaitSyscalls.Reap(intermediate.Descriptor, block: true);
        intermediate.Dispose();
        return PidHandle.Open((int)id);
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
    private (StepFailure? Failure, bool Executed) ReadReport(LinuxHandle report, int first)
    {
        int* message = stackalloc int[2];
        bool executed = false;
        // Not woken by the report itself: what it says is only needed once the program has been executed or the image has ended.
        PollSyscalls.WaitForHangUp(report);
        while (RawSyscall.InvokeRestarting(Syscall.read, RawSyscall.Word(report), (nuint)message, 8).Value == 8)
        {
            if (message[0] >= 0)
                return (new StepFailure(first + message[0], (Errno)message[1]), false);
            executed = true;
        }

        return (null, executed);
    }

    /// <summary>Makes the pipe by which a child that does not share this memory reports, and the sealed image that knows its number.</summary>
    private LinuxHandle PrepareReport(LaunchProgram launch)
    {
        int* pipe = stackalloc int[2];
        RawSyscall.Invoke(Syscall.pipe2, (nuint)pipe, Fcntl.O_CLOEXEC).ThrowIfError("create", "the report pipe", "pipe2(2)");
        var report = new LinuxHandle(pipe[0]);
        try
        {
            int write = pipe[1];
            if (write < launch.MinimumDescriptor)
            {
                SyscallResult moved = RawSyscall.Invoke(Syscall.fcntl, (nuint)write, Fcntl.F_DUPFD_CLOEXEC, (nuint)launch.MinimumDescriptor);
                RawSyscall.Invoke(Syscall.close, (nuint)write);
                moved.ThrowIfError("duplicate", "the report pipe", "fcntl(2)");
                write = (int)moved.Value;
            }

            _memory.SlotValue(launch.Report!) = write;
            if (launch.SealedFile is { } image)
                _memory.SlotValue(image) = _image.For(launch, _memory, write).Descriptor;
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
        if (!_loaded)
            return; // the memory holds another launch's slots
        request.Undo(_memory);
        CloseSlots(request.Program.Temporary);
        CloseSlots(request.Program.Kept);
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
    private static LinuxHandle OpenSelf()
    {
        nuint thread = (nuint)RawSyscall.Invoke(Syscall.gettid).Value;
        SyscallResult result = RawSyscall.Invoke(Syscall.pidfd_open, thread, Sched.PIDFD_THREAD);
        if (result.IsError)
            result = RawSyscall.Invoke(Syscall.pidfd_open, (nuint)Environment.ProcessId, 0);
        result.ThrowIfError("open a pidfd of", "the launcher thread", "pidfd_open(2)");
        return new LinuxHandle((int)result.Value);
    }

    private static string? CloneHint(Errno errno, ulong flags) => errno switch
    {
        Errno.EPERM when (flags & Sched.CLONE_NEWUSER) != 0 =>
            "User namespaces are forbidden to this user; see kernel.unprivileged_userns_clone, AppArmor's userns restriction, or the seccomp filter of an outer container.",
        Errno.EPERM => "Making these namespaces needs CAP_SYS_ADMIN, or a user namespace of their own.",
        Errno.ENOSPC => string.Create(CultureInfo.InvariantCulture, $"A limit in /proc/sys/user/max_*_namespaces was reached, or namespaces are nested 32 deep."),
        Errno.EAGAIN => "The user's process limit (ulimit -u, pids.max) was reached.",
        Errno.EACCES or Errno.EOPNOTSUPP or Errno.ENODEV => "The container's control group could not be entered: it is threaded, gone, or the control group above both is not delegated.",
        _ => null,
    };
}
