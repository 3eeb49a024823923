namespace Isolation.Security;

/// <summary>What the kernel does with a call, strictest first:
/// where several filters or rules decide differently, the strictest holds.</summary>
public enum SeccompActionKind
{
    /// <summary><c>SECCOMP_RET_KILL_PROCESS</c>: the process dies of <c>SIGSYS</c>. Since Linux 4.14.</summary>
    KillProcess,

    /// <summary><c>SECCOMP_RET_KILL_THREAD</c>: the calling thread dies; others live on, which few programs survive.</summary>
    KillThread,

    /// <summary><c>SECCOMP_RET_TRAP</c>: the thread gets <c>SIGSYS</c> with the call in its <c>siginfo_t</c>.</summary>
    Trap,

    /// <summary><c>SECCOMP_RET_ERRNO</c>: the call fails with an error number and is not made.</summary>
    Errno,

    /// <summary><c>SECCOMP_RET_USER_NOTIF</c>: the call waits for a notifier. Since Linux 5.0.</summary>
    UserNotify,

    /// <summary><c>SECCOMP_RET_TRACE</c>: a ptrace(2) tracer decides; without one the call fails with <c>ENOSYS</c>.</summary>
    Trace,

    /// <summary><c>SECCOMP_RET_LOG</c>: the call is made and logged. Since Linux 4.14.</summary>
    Log,

    /// <summary><c>SECCOMP_RET_ALLOW</c>: the call is made.</summary>
    Allow,
}
