using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>A pidfd: one certain process, never another one that got its number later. Since Linux 5.3.</summary>
/// <remarks>See pidfd_open(2).</remarks>
/// <example><code>
/// using PidHandle process = PidHandle.Open(processId);
/// if (!process.HasExited)
///     process.SendSignal(Signal.SIGTERM);
/// </code></example>
public sealed class PidHandle : LinuxHandle
{
    internal PidHandle(int descriptor, int processId) : base(descriptor) => ProcessId = processId;

    /// <summary>The process id in the PID namespace of the process that opened the handle.</summary>
    public int ProcessId { get; }

    /// <summary>Whether the process never had this program's memory, whose peak would be carried over execve(2) into its usage.</summary>
    internal bool HasOwnPeak { get; init; }

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

    /// <summary>Sends a signal to the process. <see cref="Signal.None"/> only asks whether one could be sent.</summary>
    /// <param name="signal">The signal, 0 to 64.</param>
    /// <exception cref="LinuxException"><c>ESRCH</c>: it has ended. <c>EPERM</c>: not allowed.</exception>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    public void SendSignal(Signal signal)
    {
        ArgumentOutOfRangeException.ThrowIfNegative((int)signal, nameof(signal));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((int)signal, 64, nameof(signal));
        Send(signal).ThrowIfError($"send signal {signal} to process", Text(ProcessId), "pidfd_send_signal(2)");
    }

    /// <summary>Whether the process has ended. A zombie has ended.</summary>
    public bool HasExited => PollSyscalls.IsReadable(this);

    /// <summary>Sends a signal; <c>ESRCH</c> also where the handle is closed: there is nobody to send it to.</summary>
    internal SyscallResult TrySendSignal(Signal signal)
    {
        try
        {
            return Send(signal);
        }
        catch (ObjectDisposedException)
        {
            return new SyscallResult(-(long)Errno.ESRCH);
        }
    }

    // A kill that is lost for a passing reason would leave whoever awaits the end waiting for ever.
    private SyscallResult Send(Signal signal)
    {
        const int Attempts = 8;
        SyscallResult result;
        int attempts = 0;
        do
            result = RawSyscall.Invoke(Syscall.pidfd_send_signal, this, (nuint)signal, 0, 0);
        while (result.IsError && result.Errno is not (Errno.ESRCH or Errno.EPERM or Errno.EINVAL) && attempts++ < Attempts);
        return result;
    }

    /// <summary>The id of the process behind a pidfd, from /proc/self/fdinfo.</summary>
    internal static int ReadProcessId(int descriptor)
    {
        string info = TextFile.Read($"/proc/self/fdinfo/{Text(descriptor)}");
        string line = info.Split('\n').First(l => l.StartsWith("Pid:", StringComparison.Ordinal));
        return int.Parse(line.AsSpan(4), System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <inheritdoc/>
    public override string ToString() => "process " + Text(ProcessId);

    private static string Text(int number) => number.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
