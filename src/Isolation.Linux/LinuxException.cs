namespace Isolation.Linux;

/// <summary>The kernel refused a call. Tells what was attempted, on what, by which call, and the <see cref="Linux.Errno"/>.</summary>
/// <remarks>The text is
/// <c>Cannot ACTION SUBJECT: CALL failed with ERRNO (MEANING)[ at launch step N of M, in the child].[ REMEDY]</c>.</remarks>
public class LinuxException : IsolationException
{
    /// <summary>Initialises the exception from its facts; the message is composed from them.</summary>
    /// <param name="action">A verb phrase: <c>mount proc on</c>.</param>
    /// <param name="subject">The object in the caller's words: <c>"/proc"</c>. May be empty.</param>
    /// <param name="call">The call with its manual section: <c>mount(2)</c>.</param>
    /// <param name="errno">The error number that the kernel returned.</param>
    /// <param name="step">The position in a launch, or null outside one.</param>
    /// <param name="remedy">What to do about it: one sentence, or null.</param>
    public LinuxException(string action, string subject, string call, Errno errno, StepPosition? step = null, string? remedy = null)
        : base(Compose(action, subject, call, errno, step, remedy), remedy)
    {
        Action = action;
        Subject = subject;
        Call = call;
        Errno = errno;
        Step = step;
    }

    /// <summary>What was attempted: a verb phrase.</summary>
    public string Action { get; }

    /// <summary>What it was attempted on, in the caller's words.</summary>
    public string Subject { get; }

    /// <summary>The call that failed, with its manual section.</summary>
    public string Call { get; }

    /// <summary>The error number that the kernel returned.</summary>
    public Errno Errno { get; }

    /// <summary>Where in a launch it failed; null outside a launch.</summary>
    public StepPosition? Step { get; }

    /// <summary>What the runtime's own calls of the file system have refused, told as this library's calls tell it.</summary>
    internal static LinuxException Of(string action, string subject, Exception e, string? remedy = null)
    {
        Errno errno = e switch
        {
            FileNotFoundException or DirectoryNotFoundException => Errno.ENOENT,
            UnauthorizedAccessException => Errno.EACCES,
            // The runtime keeps the number in the low half.
            _ => (Errno)(e.HResult & 0xffff) is var number and > Errno.None and < (Errno)200 ? number : Errno.EIO,
        };
        return new LinuxException(action, subject, "openat(2)", errno, remedy: remedy);
    }

    /// <summary>A blank, and a remedy that ends with one full stop; empty where there is none.</summary>
    internal static string Sentence(string? remedy) => string.IsNullOrWhiteSpace(remedy) ? "" : $" {remedy.Trim().TrimEnd('.')}.";

    private static string Compose(string action, string subject, string call, Errno errno, StepPosition? step, string? remedy)
    {
        string what = subject.Length == 0 ? action : $"{action} {subject}";
        string reason = errno == Errno.None ? "gave an unexpected result" : $"failed with {errno.Name()} ({errno.Meaning()})";
        string where = step is { } s ? $" at {s}" : "";
        return $"Cannot {what}: {call} {reason}{where}.{Sentence(remedy)}";
    }
}
