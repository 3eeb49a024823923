namespace Isolation.Linux.Abi;

/// <summary>Constants of linux/prctl.h and linux/securebits.h.</summary>
internal static class Prctl
{
    internal const int PR_SET_PDEATHSIG = 1;
    internal const int PR_GET_DUMPABLE = 3;
    internal const int PR_SET_DUMPABLE = 4;
    internal const int PR_SET_KEEPCAPS = 8;
    internal const int PR_SET_NAME = 15;
    internal const int PR_CAPBSET_READ = 23;
    internal const int PR_CAPBSET_DROP = 24;
    internal const int PR_GET_SECUREBITS = 27;
    internal const int PR_SET_SECUREBITS = 28;
    internal const int PR_SET_NO_NEW_PRIVS = 38;
    internal const int PR_GET_NO_NEW_PRIVS = 39;
    internal const int PR_CAP_AMBIENT = 47;
    internal const int PR_CAP_AMBIENT_IS_SET = 1;
    internal const int PR_CAP_AMBIENT_RAISE = 2;
    internal const int PR_CAP_AMBIENT_LOWER = 3;
    internal const int PR_CAP_AMBIENT_CLEAR_ALL = 4;
    internal const int PR_GET_SPECULATION_CTRL = 52;
    internal const int PR_SET_SPECULATION_CTRL = 53;
    internal const int PR_SCHED_CORE = 62;
    internal const int PR_SCHED_CORE_CREATE = 1;
    internal const int PR_SET_MDWE = 65;
    internal const int PR_GET_MDWE = 66;
    internal const int PR_MDWE_REFUSE_EXEC_GAIN = 1;
}
