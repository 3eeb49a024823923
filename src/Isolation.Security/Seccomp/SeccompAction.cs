using System.Globalization;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>The action of a filter: a kind, and 16 bits of data for some kinds. Printed as <c>errno(EPERM)</c>.</summary>
/// <example><code>SeccompFilter filter = SeccompFilter.Default.Add(SeccompAction.Errno(Errno.ENOSYS), "ptrace");</code></example>
public readonly record struct SeccompAction
{
    private const int MaximumErrno = 4095;

    private static readonly uint[] s_values = [0x80000000, 0, 0x00030000, 0x00050000, 0x7fc00000, 0x7ff00000, 0x7ffc0000, 0x7fff0000];
    private static readonly string[] s_texts = ["kill process", "kill thread", "trap", "errno", "user notify", "trace", "log", "allow"];

    private SeccompAction(SeccompActionKind kind, ushort data = 0)
    {
        Kind = kind;
        Data = data;
    }

    /// <summary>What is done.</summary>
    public SeccompActionKind Kind { get; }

    /// <summary>The errno, or the value that a trap or tracer is given; 0 for the others.</summary>
    public ushort Data { get; }

    /// <summary>The process dies of <c>SIGSYS</c>.</summary>
    public static SeccompAction KillProcess => new(SeccompActionKind.KillProcess);

    /// <summary>The calling thread dies.</summary>
    public static SeccompAction KillThread => new(SeccompActionKind.KillThread);

    /// <summary>The call waits for a notifier.</summary>
    public static SeccompAction UserNotify => new(SeccompActionKind.UserNotify);

    /// <summary>The call is made and logged.</summary>
    public static SeccompAction Log => new(SeccompActionKind.Log);

    /// <summary>The call is made.</summary>
    public static SeccompAction Allow => new(SeccompActionKind.Allow);

    /// <summary>The call fails with <c>EPERM</c>, as in most profiles.</summary>
    public static SeccompAction Deny => Errno(Linux.Errno.EPERM);

    /// <summary>Whether the call is made, or may be: a notifier or a tracer decides.</summary>
    public bool MayRun => Kind is SeccompActionKind.Allow or SeccompActionKind.Log or SeccompActionKind.UserNotify
        or SeccompActionKind.Trace;

    /// <summary>The 32 bits that the program returns.</summary>
    internal uint Value => s_values[(int)Kind] | Data;

    /// <summary>The call fails with an error number and is not made.</summary>
    /// <param name="errno">0 to 4095. 0 makes the call seem to succeed.</param>
    public static SeccompAction Errno(Errno errno)
    {
        ArgumentOutOfRangeException.ThrowIfNegative((int)errno, nameof(errno));
        ArgumentOutOfRangeException.ThrowIfGreaterThan((int)errno, MaximumErrno, nameof(errno));
        return new(SeccompActionKind.Errno, (ushort)errno);
    }

    /// <summary>The thread gets <c>SIGSYS</c>.</summary>
    /// <param name="data">Its <c>si_errno</c>.</param>
    public static SeccompAction Trap(ushort data = 0) => new(SeccompActionKind.Trap, data);

    /// <summary>A ptrace(2) tracer decides.</summary>
    /// <param name="data">What <c>PTRACE_GETEVENTMSG</c> gives it.</param>
    public static SeccompAction Trace(ushort data = 0) => new(SeccompActionKind.Trace, data);

    /// <inheritdoc/>
    public override string ToString() => Kind switch
    {
        SeccompActionKind.Errno => $"errno({((Errno)Data).Name()})",
        SeccompActionKind.Trap or SeccompActionKind.Trace when Data != 0 =>
            string.Create(CultureInfo.InvariantCulture, $"{s_texts[(int)Kind]}({Data})"),
        _ => s_texts[(int)Kind],
    };

    /// <summary>Less than 0 where this action is stricter than another; of error numbers the lowest is.</summary>
    internal int CompareTo(SeccompAction other) => (Kind, Data).CompareTo((other.Kind, other.Data));

    internal static SeccompAction FromValue(uint value)
    {
        int kind = Array.IndexOf(s_values, value & 0xffff0000);
        // The kernel treats what it does not know as the strictest.
        return kind < 0 ? KillProcess : new((SeccompActionKind)kind, (ushort)value);
    }
}
