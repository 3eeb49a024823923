namespace Isolation.Security;

/// <summary>On i386 every socket call can also be made through socketcall(2), and the System V ones through ipc(2),
/// by a number in the first argument.</summary>
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

    /// <summary>Whether a call got a number of its own long after its name: i386's socket(2) in Linux 4.3, its shmget(2) in 5.1. A profile
    /// that names it may be older than the calls between.</summary>
    internal static bool IsLaterNumber(SeccompArchitecture architecture, string name) =>
        architecture == SeccompArchitecture.X86 && s_calls.ContainsKey(name);

    /// <summary>The rules that stand for those of other calls where they are reached through socketcall(2) or ipc(2) of i386.</summary>
    /// <remarks>There the arguments lie in memory, where a filter cannot look: the strictest answer that the call has for any arguments is
    /// given for all. Where that is the default action, nothing stands for the call, and a rule for socketcall itself decides.</remarks>
    internal static IEnumerable<(uint Number, SeccompRule Rule)> Stand(SeccompFilter filter)
    {
        foreach (IGrouping<string, SeccompRule> call in filter.Rules.GroupBy(r => r.Syscall, StringComparer.Ordinal))
        {
            if (!s_calls.TryGetValue(call.Key, out var through) || Strictest(filter.DefaultAction, call) is not { } rule)
                continue;
            // The upper half of the word holds a version number (ipc's "third" form).
            yield return (SyscallTable.For(SeccompArchitecture.X86).Number(through.Through)!.Value,
                rule with { Conditions = [SeccompCondition.MaskedEqual(0, 0xffff, through.Selector)] });
        }
    }

    private static SeccompRule? Strictest(SeccompAction defaultAction, IEnumerable<SeccompRule> rules)
    {
        SeccompRule[] met = [.. rules.Where(r => !new ArgumentRegion(r.Conditions).IsEmpty).Order(SeccompRule.StrictestFirst)];
        if (met.Length == 0 || met[0].Action == defaultAction)
            return null;
        // A permission holds only where no arguments are left to the default.
        bool permits = met[0].Action.CompareTo(defaultAction) > 0;
        return permits && !met.Any(r => r.Conditions.IsEmpty) && ArgumentRegion.Partition(met) is not { Open.Count: 0 } ? null : met[0];
    }
}
