using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Events;
using Isolation.Linux.MachineCode;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Opens a file whose opening may wait for somebody, such as a FIFO: a child that shares the descriptors does it, and is killed
/// where nobody waits any more. See fifo(7).</summary>
internal static class WaitingOpen
{
    // Each is held by one open.
    private static readonly BlockingWork s_threads = new("isolation open", maximum: 1000);

    /// <summary>Whether the opening of a file may wait: it is a FIFO.</summary>
    internal static bool IsNeeded(string path)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH);
        if (opened.IsError)
            return false; // who opens it tells why
        using var file = new LinuxHandle((int)opened.Value);
        return !FileSyscalls.Stat(file, out FileIdentity identity).IsError && (identity.Mode & Fcntl.S_IFMT) == Fcntl.S_IFIFO;
    }

    /// <summary>Opens a file.</summary>
    /// <exception cref="LinuxException">It was refused.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled; nothing is open.</exception>
    internal static async Task<LinuxHandle> OpenAsync(string path, uint flags, string name, CancellationToken cancellationToken)
    {
        var opened = new TaskCompletionSource<LinuxHandle>(TaskCreationOptions.RunContinuationsAsynchronously);
        var cancellation = new LaunchCancellation();
        s_threads.Post(() =>
        {
            try
            {
                opened.TrySetResult(Open(path, flags, name, cancellation));
            }
#pragma warning disable CA1031 // Carried to the caller whatever it is.
            catch (Exception e)
#pragma warning restore CA1031
            {
                opened.TrySetException(e);
            }
        });
        using CancellationTokenRegistration registration =
            cancellationToken.UnsafeRegister(static c => ((LaunchCancellation)c!).Request(), cancellation);
        try
        {
            return await opened.Task.ConfigureAwait(false);
        }
        catch (Exception) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
    }

    private static unsafe LinuxHandle Open(string path, uint flags, string name, LaunchCancellation cancellation)
    {
        var file = new Slot("file");
        var writer = new SyscallProgramWriter(RuntimeInformation.ProcessArchitecture);
        writer.Add(
            new SyscallStep(Syscall.prctl, Prctl.PR_SET_PDEATHSIG, Sched.SIGKILL),
            new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path,
                flags | Fcntl.O_CLOEXEC | Fcntl.O_NOCTTY)
            { Result = file },
            new SyscallStep(Syscall.exit_group, 0));
        SyscallProgram program = writer.Build();
        using var memory = new ProgramMemory();
        memory.LoadChild(program, Sched.CLONE_FILES);
        memory.SlotValue(file) = -1;
        cancellation.Begin(memory);
        if (cancellation.IsRequested)
        {
            cancellation.End();
            throw new OperationCanceledException();
        }

        long result = ExecutableCode.Launch(memory.Address);
        cancellation.End();
        if (result < 0)
            throw new LinuxException("open", name, "clone(2)", (Errno)(-result));
        using var process = new PidHandle(memory.Int32(InterpreterLayout.PidDescriptor), (int)result);
        WaitSyscalls.Reap(process, block: true);
        // Opened before the child was killed, or not at all.
        if (memory.SlotValue(file) is >= 0 and int descriptor)
            return new LinuxHandle(descriptor);
        throw memory.Int32(InterpreterLayout.FailedStep) < 0 ? new OperationCanceledException()
            : new LinuxException("open", $"{name} \"{path}\"", "openat(2)", (Errno)memory.Int32(InterpreterLayout.FailedErrno));
    }
}
