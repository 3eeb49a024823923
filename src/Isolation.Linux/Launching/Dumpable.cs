using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>Keeps this process dumpable across launches that change credentials in its memory.</summary>
/// <remarks>The kernel marks the whole address space undumpable when a task that shares it changes its effective ids, which
/// would deny this process its own /proc/self and core dumps. The value is remembered while the first such launch is in
/// flight and restored when the last has ended; never between, when a half-privileged child could be traced.</remarks>
internal static class Dumpable
{
    private static readonly Lock s_gate = new();
    private static int s_inFlight;
    private static long s_remembered;

    internal static void Enter()
    {
        lock (s_gate)
        {
            if (s_inFlight++ == 0)
                s_remembered = Current;
        }
    }

    internal static void Leave()
    {
        lock (s_gate)
        {
            if (--s_inFlight == 0 && Current != s_remembered)
                RawSyscall.Invoke(Syscall.prctl, Prctl.PR_SET_DUMPABLE, (nuint)s_remembered);
        }
    }

    internal static long Current => RawSyscall.Invoke(Syscall.prctl, Prctl.PR_GET_DUMPABLE).Value;
}
