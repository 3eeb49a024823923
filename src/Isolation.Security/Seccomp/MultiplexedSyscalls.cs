namespace Isolation.Security;

/// <summary>On i386 every socket call can also be made through socketcall(2), and the System V ones through ipc(2), by a number in the first argument.</summary>
internal static class MultiplexedSyscalls
{
    // linux/net.h SYS_*, linux/ipc.h.
    private static readonly Dictionary<string, (string Through, uint Selector)> s_calls = new Dictionary<string, (string, uint)>
    {
        ["socket"] = ("socketcall", 1),
        ["bind"] = ("socketcall", 2),
        ["connect"] = ("socketcall", 3),
        ["listen"] = ("socketcall", 4),
        ["accept"] = ("socketcall", 5),
        ["getsockname"] = ("socketcall", 6),
        ["getpeername"] = ("socketcall", 7),
        ["socketpair"] = ("socketcall", 8),
        ["send"] = ("socketcall", 9),
        ["recv"] = ("socketcall", 10),
        ["sendto"] = ("socketcall", 11),
        ["recvfrom"] = ("socketcall", 12),
        ["shutdown"] = ("socketcall", 13),
        ["setsockopt"] = ("socketcall", 14),
        ["getsockopt"] = ("socketcall", 15),
        ["sendmsg"] = ("socketcall", 16),
        ["recvmsg"] = ("socketcall", 17),
        ["accept4"] = ("socketcall", 18),
        ["recvmmsg"] = ("socketcall", 19),
        ["sendmmsg"] = ("socketcall", 20),
        ["semop"] = ("ipc", 1),
        ["semget"] = ("ipc", 2),
        ["semctl"] = ("ipc", 3),
        ["semtimedop"] = ("ipc", 4),
        ["msgsnd"] = ("ipc", 11),
        ["msgrcv"] = ("ipc", 12),
        ["msgget"] = ("ipc", 13),
        ["msgctl"] = ("ipc", 14),
        ["shmat"] = ("ipc", 21),
        ["shmdt"] = ("ipc", 22),
        ["shmget"] = ("ipc", 23),
        ["shmctl"] = ("ipc", 24),
    };

    /// <summary>The rule that stands for another where it is reached through socketcall(2) or ipc(2).</summary>
    /// <remarks>There the arguments lie in memory, where a filter cannot look: a conditional refusal is then a refusal, a conditional permission none.</remarks>
    internal static (uint Number, SeccompRule Rule)? Stand(SeccompFilter filter, SeccompArchitecture architecture, SeccompRule rule)
    {
        if (architecture != SeccompArchitecture.X86 || !s_calls.TryGetValue(rule.Syscall, out var call))
            return null;
        if (!rule.Conditions.IsEmpty && rule.Action.Kind >= filter.DefaultAction.Kind)
            return null;
        // The upper half of the word holds a version number (ipc's "third" form).
        return (SyscallTable.For(architecture).Number(call.Through)!.Value,
            rule with { Conditions = [SeccompCondition.MaskedEqual(0, 0xffff, call.Selector)] });
    }
}
