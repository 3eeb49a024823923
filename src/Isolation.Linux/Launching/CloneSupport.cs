using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Which clone call this process may use; probed once.</summary>
internal static class CloneSupport
{
    /// <summary>Whether clone3 works. Seccomp profiles of outer containers refuse it with ENOSYS
    /// since they cannot read its flags.</summary>
    internal static bool HasClone3 { get; set; } = RawSyscall.Invoke(Syscall.clone3, 0, 0).Errno == Errno.EINVAL;
}
