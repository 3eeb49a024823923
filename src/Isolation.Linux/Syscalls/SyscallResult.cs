namespace Isolation.Linux.Syscalls;

/// <summary>What a system call returned: a value, or an errno. Never throws by itself.</summary>
internal readonly record struct SyscallResult(long Value)
{
    internal bool IsError => Value is < 0 and >= -4095;

    internal Errno Errno => IsError ? (Errno)(-Value) : Errno.None;

    internal void ThrowIfError(string action, string subject, string call, string? hint = null)
    {
        if (IsError)
            throw new LinuxException(action, subject, call, Errno, hint: hint);
    }
}
