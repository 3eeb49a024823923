using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Serves the child of a launcher thread, which itself is blocked until the child executes its program.</summary>
[System.Diagnostics.CodeAnalysis.SuppressMessage("Reliability", "CA1001", Justification = "Lives as long as the process.")]
internal sealed unsafe class HandshakeThread
{
    private readonly SemaphoreSlim _begin = new(0), _end = new(0);
    private LaunchRequest? _request;
    private LaunchProgram? _launch;
    private ProgramMemory? _memory;
    private Exception? _failure;
    private Thread? _thread;

    /// <summary>Starts to wait for the child that is about to be cloned.</summary>
    internal void Begin(LaunchRequest request, LaunchProgram launch, ProgramMemory memory)
    {
        (_request, _launch, _memory, _failure) = (request, launch, memory, null);
        _thread ??= OwnThread.Start("isolation handshake", Loop);

        _begin.Release();
    }

    /// <summary>Waits until the child was served, or ended unserved. Called when the clone has returned.</summary>
    internal Exception? End(LaunchProgram launch, ProgramMemory memory)
    {
        // The child's copy of the pipe is closed by now, so a reader that still waits sees the end of the file.
        ref int ready = ref memory.SlotValue(launch.Barrier!.Value.ReadyWrite);
        RawSyscall.Invoke(Syscall.close, (nuint)ready);
        ready = -1;
        _end.Wait();
        // Nothing of a launch is held until the next one.
        Exception? failure = _failure;
        (_request, _launch, _memory, _failure) = (null, null, null, null);
        return failure;
    }

    private void Loop()
    {
        while (true)
        {
            _begin.Wait();
            var barrier = _launch!.Barrier!.Value;
            byte token = 0;
            SyscallResult ready = RawSyscall.InvokeRestarting(Syscall.read, Descriptor(barrier.ReadyRead), (nuint)(&token), 1);
            if (ready.Value == 1)
                Serve(barrier.GoWrite);
            else if (ready.IsError)
                Refuse(barrier.GoWrite, new LinuxException("wait for", "the new process", "read(2)", ready.Errno));
            _end.Release();
        }
    }

    private void Serve(Slot goWrite)
    {
        try
        {
            // clone3 leaves the id before the child runs; clone(2) has no room for it beside the pidfd.
            int id = CloneSupport.HasClone3
                ? _memory!.Int32(InterpreterLayout.ChildId)
                : PidHandle.ReadProcessId(_memory!.Int32(InterpreterLayout.PidDescriptor));
            _request!.Serve(id);
        }
#pragma warning disable CA1031 // Whatever it is fails the launch; the child must not be left waiting.
        catch (Exception e)
#pragma warning restore CA1031
        {
            Refuse(goWrite, e);
            return;
        }

        byte token = 1;
        SyscallResult let = RawSyscall.InvokeRestarting(Syscall.write, Descriptor(goWrite), (nuint)(&token), 1);
        if (let.IsError)
            Refuse(goWrite, new LinuxException("let go", "the new process", "write(2)", let.Errno));
    }

    /// <summary>The child must not be left waiting. Not by the end of the file alone: a child of another launch may have a copy of the
    /// pipe, for as long as it waits itself.</summary>
    private void Refuse(Slot goWrite, Exception failure)
    {
        _failure = failure;
        RawSyscall.Invoke(Syscall.close, Descriptor(goWrite));
        _memory!.SlotValue(goWrite) = -1;
        RawSyscall.Invoke(Syscall.pidfd_send_signal, (nuint)_memory.Int32(InterpreterLayout.PidDescriptor), Sched.SIGKILL, 0, 0);
    }

    private nuint Descriptor(Slot slot) => (nuint)_memory!.SlotValue(slot);
}
