namespace Isolation.Security;

/// <summary>How a filter is loaded: flags of seccomp(2)'s <c>SECCOMP_SET_MODE_FILTER</c>.</summary>
[Flags]
public enum SeccompFlags
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>SECCOMP_FILTER_FLAG_LOG</c>: every refusal but errno's is logged. Since Linux 4.14.</summary>
    Log = 2,

    /// <summary><c>SECCOMP_FILTER_FLAG_SPEC_ALLOW</c>: speculative store bypass is not switched off for the thread. Since Linux 4.17.</summary>
    SpecAllow = 4,

    /// <summary><c>SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV</c>: once a notifier has received a call, only deadly signals interrupt it. Since Linux 5.19.</summary>
    WaitKillableRecv = 32,
}
