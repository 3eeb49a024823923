using Isolation.Linux;

namespace Isolation.Security;

/// <summary>The answer to a call that waits at a <see cref="SeccompNotifier"/>.</summary>
public readonly record struct SeccompReply
{
    private SeccompReply(long value, Errno errno, bool continues, LinuxHandle? descriptor, bool closeOnExec) =>
        (Value, Error, Continues, Descriptor, CloseOnExec) = (value, errno, continues, descriptor, closeOnExec);

    /// <summary>What the call returns.</summary>
    public long Value { get; }

    /// <summary>What it fails with; <see cref="Errno.None"/> if it does not.</summary>
    public Errno Error { get; }

    /// <summary>Whether the kernel makes the call.</summary>
    public bool Continues { get; }

    /// <summary>What the caller gets a copy of, whose number is the call's result; null for none.</summary>
    public LinuxHandle? Descriptor { get; }

    internal bool CloseOnExec { get; }

    /// <summary>The kernel makes the call: <c>SECCOMP_USER_NOTIF_FLAG_CONTINUE</c>, since Linux 5.5.</summary>
    /// <remarks>Never decide by memory that you have read and then continue: another thread of the caller can change it before the kernel
    /// reads it. Decide by registers, or do the work yourself and return its result.</remarks>
    public static SeccompReply Continue => new(0, Errno.None, true, null, false);

    /// <summary>The call returns a value without being made.</summary>
    public static SeccompReply Return(long value = 0) => new(value, Errno.None, false, null, false);

    /// <summary>The call fails.</summary>
    public static SeccompReply Fail(Errno errno) => new(0,
        errno == Errno.None ? throw new ArgumentException("A failure has an error number.", nameof(errno)) : errno, false, null, false);

    /// <summary>The call returns the number of a descriptor that the caller gets, in one step:
    /// <c>SECCOMP_ADDFD_FLAG_SEND</c>, since Linux 5.14.</summary>
    /// <param name="descriptor">What it gets a copy of; closed here once it is sent.</param>
    /// <param name="closeOnExec">Whether its copy is closed by execve(2).</param>
    public static SeccompReply ReturnDescriptor(LinuxHandle descriptor, bool closeOnExec = true) =>
        new(0, Errno.None, false, descriptor ?? throw new ArgumentNullException(nameof(descriptor)), closeOnExec);
}
