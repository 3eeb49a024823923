using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Security.Tests;

public class SeccompFilterTests
{
    private static readonly SeccompArchitecture[] s_all = Enum.GetValues<SeccompArchitecture>();

    [Fact]
    public void Every_group_has_known_calls_and_no_unknown_ones()
    {
        Assert.InRange(SyscallGroup.All.Count, 25, 60);
        foreach (SyscallGroup group in SyscallGroup.All)
        {
            Assert.NotEmpty(group.Syscalls);
            // Calls that only kernels long gone, or architectures without a table, have ever had.
            string[] unknown = [.. group.Syscalls.Where(s => !SyscallTable.IsKnown(s))];
            Assert.True(unknown.Length == 0 || group.Name is "@obsolete" or "@raw-io", $"{group.Name}: {string.Join(", ", unknown)}");
        }
    }

    [Fact]
    public void Tables_know_what_everybody_knows()
    {
        Assert.Equal(0u, SyscallTable.For(SeccompArchitecture.X64).Number("read"));
        Assert.Equal(3u, SyscallTable.For(SeccompArchitecture.X86).Number("read"));
        Assert.Equal(63u, SyscallTable.For(SeccompArchitecture.Arm64).Number("read"));
        Assert.Equal(3u, SyscallTable.For(SeccompArchitecture.Arm).Number("read"));
        Assert.Equal(0x40000000u, SyscallTable.For(SeccompArchitecture.X32).Number("read"));
        Assert.Equal(0x40000000u + 520, SyscallTable.For(SeccompArchitecture.X32).Number("execve"));
        Assert.Equal(983045u, SyscallTable.For(SeccompArchitecture.Arm).Number("set_tls"));
        Assert.Null(SyscallTable.For(SeccompArchitecture.Arm64).Number("fork"));
        Assert.Equal("openat2", SyscallTable.For(SeccompArchitecture.X64).Name(437));
        Assert.Null(SyscallTable.For(SeccompArchitecture.X64).Name(400));
        Assert.True(SyscallTable.Version >= new KernelVersion(7, 3));
        // Calls added since 5.1 have the same number everywhere.
        Assert.All(s_all, a => Assert.Equal(435u, SyscallTable.For(a).Number("clone3") & ~0x40000000u));
    }

    [Fact]
    public void The_strictest_rule_holds_in_any_order()
    {
        SeccompFilter one = SeccompFilter.Of(SeccompAction.Deny).Allow("ptrace")
            .Add(SeccompAction.KillProcess, "ptrace", SeccompCondition.Equal(0, 16)).Add(SeccompAction.Log, "ptrace");
        SeccompFilter two = SeccompFilter.Of(SeccompAction.Deny).Add(SeccompAction.Log, "ptrace")
            .Add(SeccompAction.KillProcess, "ptrace", SeccompCondition.Equal(0, 16)).Allow("ptrace");
        foreach (SeccompFilter filter in new[] { one, two })
        {
            Assert.Equal(SeccompAction.KillProcess, filter.Explain("ptrace", 16).Action);
            Assert.Equal(SeccompAction.Log, filter.Explain("ptrace", 17).Action);
            Assert.Equal(SeccompAction.KillProcess, filter.Compile().Evaluate(filter.Explain("ptrace", 16).Call));
        }

        Assert.Equal(one.ToString(), two.ToString());
        Assert.Same(one.Compile(), two.Compile()); // one content, one program
        Assert.Equal(SeccompAction.Deny, one.Without("ptrace").Explain("ptrace", 16).Action);
    }

    [Fact]
    public void Explanations_say_which_rule_decides()
    {
        SeccompFilter filter = SeccompFilter.Default;
        Assert.Contains("\"ioctl if arg1 & 0xffffffff == 0x5412: errno(EPERM)\"", filter.Explain("ioctl", 0, 0x1_0000_5412).ToString());
        Assert.Contains("None of the call's 3 rules matches", filter.Explain("socket", 40).Reason);
        Assert.Contains("No rule names the call", filter.Explain("keyctl").Reason);
        Assert.Contains("newer than Linux", filter.Explain("9999").Reason);
        Assert.Contains("The filter is for", filter.Explain(SeccompCall.Of(SeccompArchitecture.X86, 1)).Reason);
        Assert.StartsWith("ioctl(0, 0x5412, 0, 0, 0, 0): errno(EPERM). ", filter.Explain("ioctl", 0, 0x5412).ToString(),
            StringComparison.Ordinal);
    }

    [Fact]
    public void Misspelt_names_get_a_suggestion()
    {
        Assert.Contains("Is \"ptrace\" meant?", Assert.Throws<ArgumentException>(() => SeccompFilter.Default.Allow("ptrac")).Message);
        Assert.Contains("Is \"openat\" meant?", Assert.Throws<ArgumentException>(() => SeccompFilter.Default.Explain("opennat")).Message);
        Assert.Contains("@file-system", Assert.Throws<ArgumentException>(() => SeccompFilter.Default.Allow("@files")).Message);
        Assert.Throws<ArgumentException>(() => SeccompFilter.Default.Allow("nothing_of_the_kind"));
        Assert.Throws<ArgumentOutOfRangeException>(() => SeccompCondition.Equal(6, 0));
        Assert.Throws<ArgumentOutOfRangeException>(() => SeccompAction.Errno((Errno)4096));
        Assert.Throws<ArgumentException>(() => SeccompFilter.Default.WithArchitectures());
        Assert.Throws<ArgumentException>(() => SeccompFilter.Default.WithArchitectures(SeccompArchitecture.X64, SeccompArchitecture.X64));
        Assert.Throws<ArgumentException>(() => SeccompCall.Of(SeccompArchitecture.X64, 0, 1, 2, 3, 4, 5, 6, 7));
    }

    [Fact]
    public void Foreign_architectures_and_x32_numbers_are_refused_unless_named()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).WithArchitectures(SeccompArchitecture.X64);
        SeccompProgram program = filter.Compile();
        Assert.Equal(SeccompAction.KillProcess, program.Evaluate(SeccompCall.Of(SeccompArchitecture.X86, 20)));
        Assert.Equal(SeccompAction.KillProcess, program.Evaluate(SeccompCall.Of(SeccompArchitecture.X32, 0x40000027)));
        Assert.Equal(SeccompAction.Allow, program.Evaluate(SeccompCall.Of(SeccompArchitecture.X64, uint.MaxValue))); // a tracer's "skip"
        Assert.Equal(SeccompAction.Allow, filter.WithArchitectures(SeccompArchitecture.X64, SeccompArchitecture.X32).Compile()
            .Evaluate(SeccompCall.Of(SeccompArchitecture.X32, 0x40000027)));
        Assert.Equal(SeccompAction.Deny,
            filter.WithForeignArchitectures(SeccompAction.Deny).Compile().Evaluate(new SeccompCall(0x1234, 0, [0, 0, 0, 0, 0, 0])));
        SeccompFilter onlyX32 = SeccompFilter.Of(SeccompAction.Allow).WithArchitectures(SeccompArchitecture.X32);
        Assert.Equal(SeccompAction.KillProcess, onlyX32.Compile().Evaluate(SeccompCall.Of(SeccompArchitecture.X64, 0)));
    }

    [Fact]
    public void Calls_newer_than_the_table_do_not_exist()
    {
        SeccompFilter filter = SeccompFilter.Default;
        SeccompProgram program = filter.Compile();
        SeccompArchitecture architecture = filter.Architectures[0];
        uint highest = SyscallTable.For(architecture).Highest;
        foreach (uint number in new uint[] { highest + 1, 9999, 0x10000, 0x3fffffff })
            Assert.Equal(SeccompAction.Errno(Errno.ENOSYS), program.Evaluate(SeccompCall.Of(architecture, number)));
        Assert.Equal(SeccompAction.Deny, program.Evaluate(SeccompCall.Of(architecture, uint.MaxValue))); // a tracer's "skip"
    }

    [Fact]
    public void On_i386_a_socket_call_is_refused_whichever_way_it_is_made()
    {
        SeccompFilter filter = SeccompFilter.NoNetwork.WithArchitectures(SeccompArchitecture.X64, SeccompArchitecture.X86);
        SeccompProgram program = filter.Compile();
        uint socketcall = SyscallTable.For(SeccompArchitecture.X86).Number("socketcall")!.Value;
        Assert.Equal(SeccompAction.Errno(Errno.EACCES), program.Evaluate(SeccompCall.Of(SeccompArchitecture.X86, socketcall, 1, 0x1000)));
        Assert.Equal(SeccompAction.Allow, program.Evaluate(SeccompCall.Of(SeccompArchitecture.X86, socketcall, 3, 0x1000)));
        // A permission under conditions is none where the arguments cannot be seen.
        SeccompFilter allow = SeccompFilter.Of(SeccompAction.Deny).Add(SeccompAction.Allow, "socket", SeccompCondition.Equal(0, 1))
            .Allow("connect").WithArchitectures(SeccompArchitecture.X86);
        Assert.Equal(SeccompAction.Deny, allow.Compile().Evaluate(SeccompCall.Of(SeccompArchitecture.X86, socketcall, 1)));
        Assert.Equal(SeccompAction.Allow, allow.Compile().Evaluate(SeccompCall.Of(SeccompArchitecture.X86, socketcall, 3)));
    }

    [Fact]
    public void Too_long_a_filter_is_told_with_its_causes()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny);
        for (uint i = 0; i < 5000; i++)
            filter = filter.WithRules(
                filter.Rules.Add(new SeccompRule("ioctl", SeccompAction.Allow, [SeccompCondition.Equal(1, i * 3)])), []);
        SeccompLimitException e = Assert.Throws<SeccompLimitException>(filter.Compile);
        Assert.True(e.Instructions > 4096);
        Assert.Contains("ioctl (5000)", e.Message);
    }

    [Fact]
    public void Far_jumps_reach_their_targets()
    {
        // More than 255 instructions between the switch and its ends, for every pair of calls.
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny);
        var random = new Random(7);
        foreach (string name in SyscallTable.For(SeccompArchitecture.X64).Names.Except(SyscallParameters.Narrow).Order().Take(60))
        {
            for (int i = 0; i < 6; i++)
                filter = filter.Add(SeccompAction.Errno((Errno)random.Next(1, 100)), name, SeccompCondition.Equal(random.Next(6),
                    (ulong)random.NextInt64()), SeccompCondition.GreaterThan(random.Next(6), (ulong)random.Next()));
        }

        filter = filter.WithArchitectures(SeccompArchitecture.X64);
        SeccompProgram program = filter.Compile();
        Assert.InRange(program.Instructions.Length, 1000, 4096); // rules without anything in common take no more than their tests
        SeccompInterpreter.Check(program.Instructions.AsSpan());
        foreach (SeccompRule rule in filter.Rules)
        {
            var arguments = new ulong[6];
            foreach (SeccompCondition condition in rule.Conditions)
                arguments[condition.Argument] = condition.Comparison == SeccompComparison.Equal
                    ? condition.Value
                    : Math.Max(arguments[condition.Argument], condition.Value + 1);
            SeccompVerdict verdict = filter.Explain(rule.Syscall, arguments);
            Assert.Equal(verdict.Action, program.Evaluate(verdict.Call));
        }
    }

    [Fact]
    public void Docker_s_profile_compiles_to_a_short_and_fast_program()
    {
        string? path = Host.SharedData("seccomp/moby-default.json");
        Assert.SkipWhen(path is null, "needs moby's profile, which is not here");
        string json = File.ReadAllText(path);
        AssertFast(json, 200, SeccompArchitecture.X64);
        AssertFast(json, 400, SeccompArchitecture.X64, SeccompArchitecture.X86, SeccompArchitecture.X32);
    }

    private static void AssertFast(string json, int instructions, params ImmutableArray<SeccompArchitecture> architectures)
    {
        SeccompFilter filter = SeccompProfile.Read(json,
            new SeccompProfileHost
            {
                Architecture = SeccompArchitecture.X64,
                Architectures = architectures,
                Capabilities = CapabilitySet.DockerDefault
            });
        SeccompProgram program = filter.Compile();
        Assert.InRange(program.Instructions.Length, 10, instructions);
        int allowed = 0, executed = 0;
        for (uint number = 0; number < 470; number++)
        {
            if (program.Evaluate(SeccompCall.Of(SeccompArchitecture.X64, number), out int steps) == SeccompAction.Allow)
                (allowed, executed) = (allowed + 1, executed + steps);
        }

        Assert.InRange(allowed, 250, 400);
        Assert.True(executed <= 11 * allowed, $"{(double)executed / allowed} instructions a call");
    }

    [Fact]
    public void The_default_allows_what_docker_s_does_and_no_more()
    {
        string? path = Host.SharedData("seccomp/moby-default.json");
        Assert.SkipWhen(path is null, "needs moby's profile, which is not here");
        string json = File.ReadAllText(path);
        foreach (CapabilitySet capabilities in new[] { CapabilitySet.None, CapabilitySet.DockerDefault, CapabilitySet.All })
        {
            SeccompFilter docker = SeccompProfile.Read(json,
                new SeccompProfileHost
                {
                    Architecture = SeccompArchitecture.X64,
                    Architectures = [SeccompArchitecture.X64],
                    Capabilities = capabilities
                });
            SeccompFilter ours = SeccompFilter.DefaultFor(capabilities).WithArchitectures(SeccompArchitecture.X64);
            string[] more = [.. Allowed(ours).Except(Allowed(docker))], less = [.. Allowed(docker).Except(Allowed(ours))];
            // Newer than the profile, harmless; and tracing, which Docker allows since Linux 4.8.
            Assert.Equal([], more.Except(["fchroot", "file_getattr", "file_setattr", "rseq_slice_yield", "listns", "open_tree_attr",
                "migrate_pages", "move_pages"]));
            Assert.Equal([], less.Except(["process_vm_readv", "process_vm_writev", "ptrace", "uretprobe", "lsm_get_self_attr",
                "lsm_list_modules", "lsm_set_self_attr"]));
        }
    }

    private static HashSet<string> Allowed(SeccompFilter filter) =>
        [.. SyscallTable.For(SeccompArchitecture.X64).Names.Where(n => filter.Explain(n).Action.MayRun)];

    [Fact]
    public void A_program_reads_back_from_its_bytes_and_lists_itself()
    {
        SeccompProgram program = SeccompFilter.Of(SeccompAction.Allow).WithArchitectures(SeccompArchitecture.X64)
            .Add(SeccompAction.Deny, "ioctl", SeccompCondition.LowEqual(1, 0x5412)).Compile();
        Assert.Equal(program, SeccompProgram.FromBytes(program.ToBytes()));
        Golden.AssertEqual("seccomp-tiocsti.txt", program.ToString());
        Assert.Throws<FormatException>(() => SeccompProgram.FromBytes([]));
        Assert.Throws<FormatException>(() => SeccompProgram.FromBytes(new byte[7]));
        Assert.Throws<FormatException>(() => SeccompProgram.FromBytes(new byte[8]));
        Assert.Contains("leads out",
            Assert.Throws<FormatException>(() =>
                SeccompProgram.FromBytes(program.ToBytes().AsSpan(0, (program.Instructions.Length - 1) * 8))).Message);
    }

    [Fact]
    public void Presets_allow_what_they_are_for()
    {
        Assert.Equal(SeccompAction.KillProcess, SeccompFilter.Strict.Explain("openat").Action);
        Assert.Equal(SeccompAction.Allow, SeccompFilter.Strict.Explain("write").Action);
        Assert.Equal(SeccompAction.Errno(Errno.EACCES), SeccompFilter.NoNetwork.Explain("socket", 2).Action);
        Assert.Equal(SeccompAction.Allow, SeccompFilter.NoNetwork.Explain("socket", 1).Action);
        foreach (string refused in new[] { "ptrace", "mount", "unshare", "bpf", "keyctl", "io_uring_setup", "init_module", "setns",
            "userfaultfd", "reboot", "perf_event_open" })
        {
            Assert.False(SeccompFilter.DotNet.Explain(refused).Action.MayRun, refused);
            Assert.False(SeccompFilter.Default.Explain(refused).Action.MayRun, refused);
        }

        Assert.True(SeccompFilter.DefaultFor(CapabilitySet.All).Explain("mount").Action.MayRun);
        Assert.True(SeccompFilter.DefaultFor(CapabilitySet.DockerDefault).Explain("chroot").Action.MayRun);
        Assert.False(SeccompFilter.DefaultFor(CapabilitySet.None).Explain("chroot").Action.MayRun);
        Assert.False(SeccompFilter.Default.Explain("clone", 0x10000000).Action.MayRun);
        Assert.True(SeccompFilter.Default.Explain("clone", 0x1200011).Action.MayRun);
        Assert.Equal(SeccompAction.Errno(Errno.ENOSYS), SeccompFilter.Default.Explain("clone3").Action);
    }
}
