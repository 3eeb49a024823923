using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>A pidfd: one certain process, never another one that got its number later. Since Linux 5.3.</summary>
/// <remarks>See pidfd_open(2).</remarks>
public sealed class PidHandle : LinuxHandle
{
    internal PidHandle(int descriptor, int processId) : base(descriptor) => ProcessId = processId;

    /// <summary>The process id in the PID namespace of the process that opened the handle.</summary>
    public int ProcessId { get; }

    /// <summary>Opens a running process by its number.</summary>
    /// <param name="processId">The process id, as seen in the caller's PID namespace.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: no such process. <c>EINVAL</c>: the number of a thread.</exception>
    public static PidHandle Open(int processId)
    {
        ArgumentOutOfRangeException.ThrowIfNegativeOrZero(processId);
        SyscallResult result = RawSyscall.Invoke(Syscall.pidfd_open, (nuint)processId, 0);
        result.ThrowIfError("open process", Text(processId), "pidfd_open(2)");
        return new PidHandle((int)result.Value, processId);
    }

    /// <summary>Opens a running process by its number; null where there is none.</summary>
    internal static PidHandle? TryOpen(int processId)
    {
        SyscallResult result = RawSyscall.Invoke(Syscall.pidfd_open, (nuint)processId, 0);
        return result.IsError ? null : new PidHandle((int)result.Value, processId);
    }

    /// <summary>Sends a signal to the process. Signal 0 only asks whether it could be sent.</summary>
    /// <param name="signal">The signal's number, 0 to 64.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: it has ended. <c>EPERM</c>: not allowed.</exception>
    public void SendSignal(int signal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(signal);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(signal, 64);
        TrySendSignal(signal).ThrowIfError($"send signal {Text(signal)} to process", Text(ProcessId), "pidfd_send_signal(2)");
    }

    /// <summary>Whether the process has ended. A zombie has ended.</summary>
    public bool HasExited => PollSyscalls.IsReadable(this);

    internal SyscallResult TrySendSignal(int signal) =>
        RawSyscall.Invoke(Syscall.pidfd_send_signal, (nuint)(nint)Descriptor, (nuint)signal, 0, 0);

    /// <summary>The id of the process behind a pidfd, from /proc/self/fdinfo.</summary>
    internal static int ReadProcessId(int descriptor)
    {
        string info = File.ReadAllText($"/proc/self/fdinfo/{Text(descriptor)}");
        string line = info.Split('\n').First(l => l.StartsWith("Pid:", StringComparison.Ordinal));
        return int.Parse(line.AsSpan(4), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public override string ToString() => "process " + Text(ProcessId);

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
