using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>Filters in the kernel: what it does with a call is what the rules and the program say.</summary>
public class SeccompKernelTests
{
    // These take no arguments, so that any may be given, and change nothing; and the runtime makes none of them. It does ask for getpid,
    // when it is to stop a thread for a collection, and does not survive a refusal.
    private static readonly Syscall[] s_harmless = [Syscall.getppid, Syscall.getgid, Syscall.getegid];

    private static T OnRestrictedThread<T>(SeccompFilter filter, Func<T> function)
    {
        using var thread = new LinuxThread("seccomp test");
        return thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            filter.LoadOnCurrentThread();
            return function();
        });
    }

    [Fact]
    public void The_kernel_the_program_and_the_rules_agree()
    {
        var random = new Random(41);
        int calls = 0, refused = 0;
        for (int set = 0; set < 80; set++)
        {
            SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow);
            foreach (Syscall call in s_harmless)
            {
                for (int rule = random.Next(4); rule > 0; rule--)
                {
                    ulong Value() => random.Next(4) switch
                    {
                        0 => (ulong)random.Next(4),
                        1 => (uint)random.NextInt64(),
                        2 => (ulong)random.Next(4) << 32,
                        _ => (ulong)random.NextInt64()
                    };
                    filter = filter.Add(SeccompAction.Errno((Errno)random.Next(40, 130)), call.ToString(), random.Next(7) switch
                    {
                        0 => SeccompCondition.Equal(random.Next(6), Value()),
                        1 => SeccompCondition.NotEqual(random.Next(6), Value()),
                        2 => SeccompCondition.LessThan(random.Next(6), Value()),
                        3 => SeccompCondition.LessOrEqual(random.Next(6), Value()),
                        4 => SeccompCondition.GreaterThan(random.Next(6), Value()),
                        5 => SeccompCondition.GreaterOrEqual(random.Next(6), Value()),
                        _ => SeccompCondition.MaskedEqual(random.Next(6), Value(), Value()),
                    });
                }
            }

            var made = new List<(SeccompVerdict Verdict, SyscallResult Result)>();
            SeccompProgram program = filter.Compile();
            var verdicts = new List<SeccompVerdict>();
            foreach (Syscall call in s_harmless)
            {
                SeccompRule[] rules = [.. filter.Rules.Where(r => r.Syscall == call.ToString())];
                foreach (SeccompCondition condition in rules.SelectMany(r => r.Conditions))
                {
                    foreach (ulong value in new ulong[] { 0, condition.Value, condition.Value + 1, condition.Value - 1,
                        condition.Value ^ (1ul << 32), (uint)condition.Value, condition.Value | ~condition.Mask })
                    {
                        var arguments = new ulong[6];
                        arguments[condition.Argument] = value;
                        verdicts.Add(filter.Explain(call.ToString(), arguments));
                    }
                }
            }

            OnRestrictedThread(filter, () =>
            {
                foreach (SeccompVerdict verdict in verdicts)
                {
                    ImmutableArray<ulong> a = verdict.Call.Arguments;
                    made.Add((verdict, RawSyscall.InvokeNumber((nint)verdict.Call.Number, (nuint)a[0], (nuint)a[1], (nuint)a[2],
                        (nuint)a[3], (nuint)a[4], (nuint)a[5])));
                }

                return 0;
            });
            foreach ((SeccompVerdict verdict, SyscallResult result) in made)
            {
                Errno expected = verdict.Action.Kind == SeccompActionKind.Errno ? (Errno)verdict.Action.Data : Errno.None;
                Assert.True(expected == result.Errno, $"{verdict} The kernel: {result.Errno}\n{filter}");
                Assert.Equal(verdict.Action, program.Evaluate(verdict.Call));
                calls++;
                refused += expected == Errno.None ? 0 : 1;
            }
        }

        Assert.True(calls > 1000 && refused > 200, $"{calls} calls, {refused} refused");
    }

    [Fact]
    public void A_filter_holds_for_its_thread_and_what_that_starts_and_for_no_other()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.Errno(Errno.EXFULL), "sethostname");
        (Errno own, Errno started) = OnRestrictedThread(filter, () =>
        {
            Errno inThread = Errno.None;
            var thread = new Thread(() => inThread = RawSyscall.Invoke(Syscall.sethostname, 0, 99999).Errno);
            thread.Start();
            thread.Join();
            return (RawSyscall.Invoke(Syscall.sethostname, 0, 99999).Errno, inThread);
        });
        Assert.Equal((Errno.EXFULL, Errno.EXFULL), (own, started));
        Assert.NotEqual(Errno.EXFULL, RawSyscall.Invoke(Syscall.sethostname, 0, 99999).Errno);
    }

    [Fact]
    public void Without_no_new_privs_an_ordinary_thread_is_told_what_is_missing()
    {
        Host.NeedsOrdinaryUser();
        using var thread = new LinuxThread("seccomp test");
        LinuxException e = Assert.Throws<LinuxException>(() => thread.Invoke(() => SeccompFilter.NoNetwork.LoadOnCurrentThread()));
        Assert.Equal(Errno.EACCES, e.Errno);
        Assert.Contains("no_new_privs", e.Message);
    }

    [Fact]
    public void A_program_that_is_too_long_together_is_told()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow);
        for (uint i = 0; i < 1500; i++)
            filter = filter.WithRules(
                filter.Rules.Add(new SeccompRule("sethostname", SeccompAction.Deny, [SeccompCondition.Equal(0, i * 2)])), []);
        LinuxException e = Assert.Throws<LinuxException>(() => OnRestrictedThread(filter, () =>
        {
            for (int i = 0; i < 30; i++)
                filter.LoadOnCurrentThread();
            return 0;
        }));
        Assert.Equal(Errno.ENOMEM, e.Errno);
        Assert.Contains("32768", e.Message);
    }

    [Fact]
    public void Sockets_are_refused_by_the_preset_for_it()
    {
        string[] outcomes = OnRestrictedThread(SeccompFilter.NoNetwork, () => new[]
        {
            RawSyscall.Invoke(Syscall.socket, 2, 1, 0).Errno.ToString(),
            RawSyscall.Invoke(Syscall.socket, 10, 2, 0).Errno.ToString(),
            RawSyscall.Invoke(Syscall.socket, 16, 3, 0).Errno.ToString(),
            RawSyscall.Invoke(Syscall.io_uring_setup, 1, 0).Errno.ToString(),
            Close(RawSyscall.Invoke(Syscall.socket, 1, 1, 0)),
        });
        Assert.Equal(["EACCES", "EACCES", "EACCES", "ENOSYS", "made"], outcomes);
    }

    private static string Close(SyscallResult descriptor)
    {
        if (descriptor.IsError)
            return descriptor.Errno.ToString();
        RawSyscall.Invoke(Syscall.close, (nuint)descriptor.Value);
        return "made";
    }
}
