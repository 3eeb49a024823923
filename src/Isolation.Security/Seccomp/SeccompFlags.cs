namespace Isolation.Security;

/// <summary>How a filter is loaded: flags of seccomp(2)'s <c>SECCOMP_SET_MODE_FILTER</c>.</summary>
[Flags]
public enum SeccompFlags
{
    /// <summary>None.</summary>
    None = 0,

    /// <summary><c>SECCOMP_FILTER_FLAG_LOG</c>: every refusal but errno's is logged. Since Linux 4.14.</summary>
    Log = 2,

    /// <summary><c>SECCOMP_FILTER_FLAG_SPEC_ALLOW</c>: speculative store bypass is not switched off for the thread.
    /// Since Linux 4.17.</summary>
    SpecAllow = 4,

    /// <summary><c>SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV</c>: once a notifier has received a call, only deadly signals interrupt it.
    /// Since Linux 5.19.</summary>
    /// <remarks>Without it a signal that has a handler interrupts the call whenever it comes: the call fails with <c>EINTR</c>, or begins
    /// anew (<c>SA_RESTART</c>) and the notifier is asked again; a timer that is faster than the answer keeps it from ever ending. With it
    /// the thread can neither be interrupted, stopped nor frozen until the answer has come: for answers that take no long time. A signal
    /// that comes before the notifier has received the call interrupts it either way. Has no meaning for a filter without a listener.
    /// See seccomp_unotify(2).</remarks>
    WaitKillableRecv = 32,
}
