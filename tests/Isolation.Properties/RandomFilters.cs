using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Properties;

/// <summary>The presets, filters at random, and calls at the boundaries of their rules.</summary>
internal static class RandomFilters
{
    private static readonly SeccompAction[] s_actions =
        [SeccompAction.Allow, SeccompAction.Deny, SeccompAction.Errno(Errno.ENOSYS), SeccompAction.KillProcess, SeccompAction.KillThread,
            SeccompAction.UserNotify, SeccompAction.Log, SeccompAction.Trap(), SeccompAction.Trace(7)];

    // Calls with ints, with a mode_t and with whole registers; several that i386 also reaches through socketcall(2) and ipc(2).
    private static readonly string[] s_calls =
        ["read", "ioctl", "socket", "clone", "personality", "socketcall", "openat", "mmap", "fchmod", "kcmp", "semop", "lseek", "mprotect",
            "ptrace", "connect", "ipc"];

    private static readonly ImmutableArray<SeccompArchitecture>[] s_architectures =
    [
        [SeccompArchitecture.X64], [SeccompArchitecture.X64, SeccompArchitecture.X86],
        [SeccompArchitecture.X64, SeccompArchitecture.X86, SeccompArchitecture.X32],
        [SeccompArchitecture.Arm64], [SeccompArchitecture.Arm64, SeccompArchitecture.Arm],
    ];

    internal static int Cases { get; } = Isolation.Testing.Host.IsLong ? 10_000 : 150;

    internal static ImmutableArray<SeccompFilter> Presets { get; } =
    [
        SeccompFilter.Default, SeccompFilter.DefaultFor(CapabilitySet.None), SeccompFilter.DefaultFor(CapabilitySet.All),
        SeccompFilter.DefaultFor(CapabilitySet.Of(Capability.SysAdmin)),
        SeccompFilter.DotNet, SeccompFilter.NoNetwork, SeccompFilter.Strict, SeccompRecorder.Filter,
        new LearnedProfile
        {
            Syscalls = ImmutableSortedDictionary<string, long>.Empty.Add("ioctl", 1).Add("socket", 1).Add("clone", 1).Add("prctl", 1)
                .Add("personality", 1),
            Operations = ImmutableSortedDictionary<string, ImmutableArray<ulong>>.Empty.Add("ioctl", [0x5401, 0x5413]).Add("socket", [1, 2])
                .Add("prctl", [15]).Add("personality", [uint.MaxValue]),
        }.ToFilter(),
    ];

    /// <summary>A rule for a whole group, looking at an argument.</summary>
    internal static SeccompFilter OfGroup(Random random)
    {
        IReadOnlyList<SyscallGroup> groups = SyscallGroup.All;
        SeccompAction action = s_actions[random.Next(s_actions.Length)], otherwise = s_actions[random.Next(s_actions.Length)];
        return SeccompFilter.Of(otherwise).WithArchitectures(SeccompArchitecture.X64, SeccompArchitecture.Arm64)
            .Add(action, groups[random.Next(groups.Count)].Name,
                Condition(random, random.Next(6), (ulong)random.Next(0x10000), masked: false));
    }

    internal static SeccompFilter Next(Random random)
    {
        SeccompFilter filter = SeccompFilter.Of(s_actions[random.Next(s_actions.Length)])
            .WithArchitectures([.. s_architectures[random.Next(s_architectures.Length)]])
            .WithFlags(random.Next(2) == 0 ? SeccompFlags.None : SeccompFlags.Log);
        foreach (string name in random.GetItems(s_calls, random.Next(1, 4)).Distinct())
        {
            // Several rules of one call that look at one argument, of one action or of several; or one that looks at two.
            int argument = random.Next(3), rules = random.Next(1, 4);
            for (int j = rules; j > 0; j--)
            {
                SeccompAction action = s_actions[random.Next(s_actions.Length)];
                int[] arguments = random.Next(4) switch
                {
                    0 => [],
                    1 when rules == 1 => [argument, argument + 1],
                    2 when j == 1 => [argument, argument],
                    _ => [argument]
                };
                ImmutableArray<SeccompCondition> conditions = [.. arguments.Select(a => Condition(random, a, Value(random), masked: true))];
                // As Add narrows them, or as they are: compared on 64 bits.
                filter = random.Next(2) == 0 || conditions.Any(c => c.On(name) is null)
                    ? filter.WithRules(filter.Rules.Add(new SeccompRule(name, action, conditions)), [])
                    : filter.Add(action, name, [.. conditions]);
            }
        }

        return filter;
    }

    /// <summary>A filter as people write them: a list of calls, some of them with one or a few values of an argument, flags, or a limit;
    /// now and then two arguments, or a refusal beside a permission.</summary>
    internal static SeccompFilter AsWritten(Random random, string[]? calls = null, SeccompAction[]? actions = null)
    {
        actions ??= s_actions;
        SeccompAction action = actions[random.Next(actions.Length)];
        SeccompAction[] others = [.. actions.Where(a => a != action)];
        SeccompFilter filter = SeccompFilter.Of(others[random.Next(others.Length)])
            .WithArchitectures([.. s_architectures[random.Next(s_architectures.Length)]])
            .WithFlags(random.Next(2) == 0 ? SeccompFlags.None : SeccompFlags.Log);
        foreach (string name in random.GetItems(calls ?? s_calls, random.Next(2, 9)).Distinct())
        {
            // A list has one action for the most part.
            SeccompAction chosen = random.Next(5) > 0 ? action : others[random.Next(others.Length)];
            int argument = random.Next(3);
            // A value that the parameter has room for: Add refuses others.
            ulong Fitting(int position) => Value(random) & SyscallParameters.Mask(name, position);
            switch (random.Next(8))
            {
                case 0 or 1 or 2:
                    filter = filter.Add(chosen, name);
                    break;
                case 3 or 4:
                    for (int values = random.Next(1, 5); values > 0; values--)
                        filter = filter.Add(chosen, name, SeccompCondition.Equal(argument, Fitting(argument)));
                    break;
                case 5:
                    filter = filter.Add(chosen, name, Condition(random, argument, Fitting(argument), masked: false));
                    break;
                case 6:
                    filter = filter.Add(chosen, name, SeccompCondition.Equal(argument, Fitting(argument)),
                        SeccompCondition.Equal(argument + 1, Fitting(argument + 1)));
                    break;
                default:
                    filter = filter.Add(chosen, name).Add(actions[random.Next(actions.Length)], name,
                        random.Next(2) == 0
                            ? SeccompCondition.Equal(argument, Fitting(argument))
                            : SeccompCondition.MaskedEqual(argument, 1ul << random.Next(16), 0));
                    break;
            }
        }

        return filter;
    }

    private static ulong Value(Random random) => random.Next(7) switch
    {
        0 or 1 => (ulong)random.Next(5),
        2 => (uint)random.NextInt64(),
        3 => (ulong)random.NextInt64(),
        4 => (ulong)random.Next(5) << 32,
        5 => uint.MaxValue,
        _ => ulong.MaxValue,
    };

    private static SeccompCondition Condition(Random random, int argument, ulong value, bool masked) => random.Next(masked ? 7 : 6) switch
    {
        0 => SeccompCondition.Equal(argument, value),
        1 => SeccompCondition.NotEqual(argument, value),
        2 => SeccompCondition.LessThan(argument, value),
        3 => SeccompCondition.LessOrEqual(argument, value),
        4 => SeccompCondition.GreaterThan(argument, value),
        5 => SeccompCondition.GreaterOrEqual(argument, value),
        _ => SeccompCondition.MaskedEqual(argument,
            (ulong)random.NextInt64() & (random.Next(2) == 0 ? uint.MaxValue : ulong.MaxValue), value),
    };

    /// <summary>The filter as a profile; null where a profile cannot say it, which Write tells by an exception.</summary>
    internal static string? Write(SeccompFilter filter)
    {
        try
        {
            return SeccompProfile.Write(filter);
        }
        catch (InvalidOperationException)
        {
            return null;
        }
    }

    internal static IEnumerable<SeccompCall> Calls(Random random, SeccompFilter filter)
    {
        foreach (SeccompArchitecture architecture in filter.Architectures)
        {
            foreach (string name in filter.Rules.Select(r => r.Syscall).Concat(["socketcall", "ipc", "getpid"]).Distinct())
            {
                if (SyscallTable.For(architecture).Number(name) is not { } number)
                    continue;
                bool looked = filter.Rules.Any(r => !r.Conditions.IsEmpty && (r.Syscall == name || name is "socketcall" or "ipc"));
                for (int i = looked ? 12 : 1; i > 0; i--)
                    yield return SeccompCall.Of(architecture, number, Arguments(random, filter, name));
            }
        }
    }

    /// <summary>Numbers all over each architecture's range and beyond every table.</summary>
    internal static IEnumerable<SeccompCall> Numbers(Random random, SeccompFilter filter)
    {
        foreach (SeccompArchitecture architecture in filter.Architectures)
        {
            uint bit = architecture == SeccompArchitecture.X32 ? 0x40000000u : 0, last = SyscallTable.For(architecture).Highest & ~bit;
            foreach (uint number in new uint[] { 0, 1, last - 1, last, last + 1, 1023, 9999, 0xffff, 0x10000, 0xf0002, 0x3fffffff })
                yield return SeccompCall.Of(architecture, number | bit);
            for (int i = 0; i < 40; i++)
                yield return SeccompCall.Of(architecture, (uint)random.Next(600) | bit);
            yield return SeccompCall.Of(architecture, uint.MaxValue);
        }
    }

    internal static bool IsBeyondTheTable(SeccompFilter filter, SeccompCall call) =>
        filter.NewestSyscalls is null && call.Number > SyscallTable.For(call.Architecture!.Value).Highest;

    /// <summary>Values at and beside the boundaries of a call's rules, with and without further bits.</summary>
    internal static ulong[] Arguments(Random random, SeccompFilter filter, string name)
    {
        ulong[] arguments = [.. Enumerable.Range(0, 6).Select(_ => Value(random))];
        if (name is "socketcall" or "ipc")
            arguments[0] = (ulong)random.Next(26);
        foreach (SeccompCondition condition in filter.Rules.Where(r => r.Syscall == name).SelectMany(r => r.Conditions))
        {
            if (random.Next(3) > 0)
                arguments[condition.Argument] = condition.Value + (ulong)random.Next(3) - 1;
        }

        int position = random.Next(6);
        arguments[position] ^= random.Next(3) switch { 0 => 0, 1 => 1ul << random.Next(16, 64), _ => (ulong)random.NextInt64() << 32 };
        return arguments;
    }
}
