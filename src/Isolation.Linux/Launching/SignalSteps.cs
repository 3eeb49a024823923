using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Lowers the signal state that a program expects at its start.</summary>
internal static class SignalSteps
{
    /// <summary>SIGPIPE at its default, since .NET ignores it and ignored signals stay so across execve; and no signal blocked.</summary>
    internal static ImmutableArray<SyscallStep> Reset { get; } = ResetAll([]);

    /// <summary>The same, and other ignored signals at their defaults too: what a shell or a service manager has had this process
    /// ignore is not meant for a container.</summary>
    internal static ImmutableArray<SyscallStep> ResetAll(IEnumerable<Signal> ignored) =>
    [
        .. ignored.Append(Signal.SIGPIPE).Distinct().Order().Select(Default),
        new SyscallStep(Syscall.rt_sigprocmask, StepArgument.Flags(2, "SIG_SETMASK"), StepArgument.Words("[]", 0), StepArgument.Null, 8),
    ];

    /// <summary>The signals that this process ignores, from /proc/self/status.</summary>
    internal static ImmutableArray<Signal> ReadIgnored()
    {
        const string Field = "SigIgn:";
        string? line = TextFile.ReadIfAllowed("/proc/self/status") is { } status
            ? TextFile.Lines(status).FirstOrDefault(l => l.StartsWith(Field, StringComparison.Ordinal))
            : null;
        ulong mask = line is null
            ? 0
            : ulong.Parse(line.AsSpan(Field.Length).Trim(), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
        return [.. Enumerable.Range(1, 64).Where(n => (mask >> (n - 1) & 1) != 0).Select(n => (Signal)n)];
    }

    /// <summary>Ignores a signal; children of a process that ignores SIGCHLD are reaped by the kernel.</summary>
    internal static SyscallStep Ignore(Signal signal) => new(Syscall.rt_sigaction, StepArgument.Flags((ulong)signal, signal.ToString()),
        StepArgument.Words("{SIG_IGN}", 1, 0, 0, 0), StepArgument.Null, 8);

    // struct sigaction as the kernel has it: handler, flags, restorer, mask; all zero is SIG_DFL
    private static SyscallStep Default(Signal signal) => new(Syscall.rt_sigaction, StepArgument.Flags((ulong)signal, signal.ToString()),
        StepArgument.Words("{SIG_DFL}", 0, 0, 0, 0), StepArgument.Null, 8);
}
