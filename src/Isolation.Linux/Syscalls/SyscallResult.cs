namespace Isolation.Linux.Syscalls;

/// <summary>What a system call returned: a value, or an errno. Never throws by itself.</summary>
internal readonly record struct SyscallResult(long Value)
{
    internal bool IsError => Value is < 0 and >= -4095;

    internal Errno Errno => IsError ? (Errno)(-Value) : Errno.None;

    /// <summary>Whether the call says that a path leads to nothing, or to nothing that this process may look at. Every other error leaves
    /// open what is there.</summary>
    internal bool IsAbsent => Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES or Errno.EPERM or Errno.ELOOP or Errno.ENXIO
        or Errno.ENAMETOOLONG;

    internal void ThrowIfError(string action, string subject, string call, string? hint = null)
    {
        if (IsError)
            throw new LinuxException(action, subject, call, Errno, remedy: hint);
    }
}
