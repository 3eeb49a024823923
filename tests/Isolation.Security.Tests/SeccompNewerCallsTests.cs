using Isolation.Linux;

namespace Isolation.Security.Tests;

/// <summary>A profile is as old as the newest call that it names: calls above fail with <c>ENOSYS</c>, so that the C library makes the
/// calls that the profile knows. The rule is runc's (libcontainer/seccomp/patchbpf), since 1.0.0-rc93. Numbers: asm/unistd_64.h and
/// asm/unistd_32.h.</summary>
public class SeccompNewerCallsTests
{
    private const uint Execveat = 322, Userfaultfd = 323, Clone3 = 435, Faccessat2 = 439, X32Bit = 0x40000000;

    private static readonly SeccompAction s_none = SeccompAction.Errno(Errno.ENOSYS);

    private static readonly SeccompProfileHost s_host = new() { Architecture = SeccompArchitecture.X64 };

    private static SeccompFilter Read(string defaultAction, string entries, string architectures = "\"SCMP_ARCH_X86_64\"") =>
        SeccompProfile.Read(
            $$"""{"defaultAction": "{{defaultAction}}", "architectures": [{{architectures}}], "syscalls": [{{entries}}]}""", s_host);

    private static string Allowed(string names) => $$"""{"names": [{{names}}], "action": "SCMP_ACT_ALLOW"}""";

    private static string Refused(string names) => $$""", {"names": [{{names}}], "action": "SCMP_ACT_ERRNO"}""";

    private static SeccompAction Verdict(SeccompFilter filter, uint number, SeccompArchitecture architecture = SeccompArchitecture.X64)
    {
        var call = SeccompCall.Of(architecture, number);
        SeccompAction verdict = filter.Explain(call).Action;
        Assert.Equal(verdict, filter.Compile().Evaluate(call));
        return verdict;
    }

    [Theory]
    [InlineData("SCMP_ACT_ERRNO", "errno(EPERM)")]
    [InlineData("SCMP_ACT_KILL", "kill thread")]
    [InlineData("SCMP_ACT_KILL_PROCESS", "kill process")]
    [InlineData("SCMP_ACT_TRAP", "trap")]
    [InlineData("SCMP_ACT_NOTIFY", "user notify")]
    public void Calls_above_the_newest_that_a_profile_names_do_not_exist(string defaultAction, string refused)
    {
        SeccompFilter filter = Read(defaultAction, Allowed("\"read\", \"execveat\", \"kcmp\""));
        Assert.Equal(SeccompAction.Allow, Verdict(filter, Execveat));
        foreach (uint number in new uint[] { 1, 311, 321 })
            Assert.Equal(refused, Verdict(filter, number).ToString());
        foreach (uint number in new uint[] { Userfaultfd, Clone3, 9999, 0x3fffffff })
            Assert.Equal(s_none, Verdict(filter, number));
        Assert.Contains("newer than execveat of X64: errno(ENOSYS)", filter.ToString());
        Assert.Equal("The call is newer than execveat, the newest that the profile names.", filter.Explain("clone3").Reason);
        Assert.Contains("No rule names the call", filter.Explain("write").Reason);
    }

    // A call that is not known may run, or a tracer knows it.
    [Theory]
    [InlineData("SCMP_ACT_ALLOW")]
    [InlineData("SCMP_ACT_LOG")]
    [InlineData("SCMP_ACT_TRACE")]
    public void Where_the_default_lets_calls_run_newer_ones_run_too(string defaultAction)
    {
        SeccompFilter filter = Read(defaultAction, """{"names": ["ptrace"], "action": "SCMP_ACT_KILL"}""");
        Assert.Null(filter.NewerSyscalls);
        Assert.Equal(filter.DefaultAction, Verdict(filter, 9999));
    }

    [Fact]
    public void Where_the_default_is_ENOSYS_there_is_nothing_to_add()
    {
        SeccompFilter filter = SeccompProfile.Read(
            """{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrnoRet": 38, "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ALLOW"}]}""",
            s_host);
        Assert.Null(filter.NewerSyscalls);
        Assert.Equal(s_none, Verdict(filter, 9999));
    }

    [Fact]
    public void What_an_entry_does_is_of_no_meaning_for_what_it_names_but_whether_it_applies_is()
    {
        SeccompFilter refusing = Read("SCMP_ACT_ERRNO", Allowed("\"read\"") + Refused("\"faccessat2\""));
        Assert.Single(refusing.Rules);
        Assert.Equal((SeccompAction.Deny, SeccompAction.Deny, s_none),
            (Verdict(refusing, Clone3), Verdict(refusing, Faccessat2), Verdict(refusing, Faccessat2 + 1)));
        SeccompFilter foreign = Read("SCMP_ACT_ERRNO",
            Allowed("\"read\", \"ptrace\"")
                + """, {"names": ["faccessat2"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["arm"]}}""");
        Assert.Equal((SeccompAction.Deny, s_none), (Verdict(foreign, 100), Verdict(foreign, 102)));
    }

    // Docker's profiles before 20.10.10: newer calls than clone3 are named, and it is not.
    [Fact]
    public void A_call_that_a_profile_passes_over_gets_the_default_action() => Assert.Equal(SeccompAction.Deny,
        Verdict(Read("SCMP_ACT_ERRNO", Allowed("\"clone\", \"faccessat2\"")), Clone3));

    [Fact]
    public void Each_architecture_has_its_own_newest_call()
    {
        SeccompFilter filter = Read("SCMP_ACT_ERRNO", Allowed("\"read\", \"execveat\", \"mmap2\""),
            "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\", \"SCMP_ARCH_X32\"");
        Assert.Equal((SeccompAction.Deny, s_none), (Verdict(filter, 321), Verdict(filter, Userfaultfd)));
        // i386: execveat is 358, socket 359.
        Assert.Equal((SeccompAction.Deny, s_none, s_none), (Verdict(filter, 357, SeccompArchitecture.X86),
            Verdict(filter, 359, SeccompArchitecture.X86), Verdict(filter, 9999, SeccompArchitecture.X86)));
        // x32: execveat is 545.
        Assert.Equal((SeccompAction.Deny, s_none, s_none), (Verdict(filter, 544 | X32Bit, SeccompArchitecture.X32),
            Verdict(filter, 546 | X32Bit, SeccompArchitecture.X32), Verdict(filter, 0x7fffffff, SeccompArchitecture.X32)));
        Assert.Equal(SeccompAction.Deny, Verdict(filter, uint.MaxValue)); // a tracer's "skip"
        Assert.Contains("newer than execveat of X64, execveat of X86, execveat of X32: errno(ENOSYS)", filter.ToString());
    }

    // read is 0 on x86-64 and 3 on i386; what names no call is no allow-list of old.
    [Fact]
    public void Where_a_profile_names_no_call_none_is_newer()
    {
        SeccompFilter filter = Read("SCMP_ACT_ERRNO", Allowed("\"read\""), "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"");
        Assert.Equal((SeccompAction.Deny, s_none), (Verdict(filter, 9999), Verdict(filter, 9999, SeccompArchitecture.X86)));
        Assert.Contains("\nnewer than read of X86: errno(ENOSYS)\n", filter.ToString());
    }

    // i386's shmget got the number 395 in Linux 5.1, its socket 359 in 4.3; before they went through ipc(2) and socketcall(2). glibc asks
    // for statx (383) first, and makes the older call upon ENOSYS only.
    [Fact]
    public void Old_names_with_young_numbers_make_a_profile_no_younger()
    {
        SeccompFilter filter = Read("SCMP_ACT_ERRNO", Allowed("\"execveat\", \"shmget\", \"socket\""),
            "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"");
        Assert.Equal((s_none, s_none), (Verdict(filter, 383, SeccompArchitecture.X86), Verdict(filter, Clone3, SeccompArchitecture.X86)));
        Assert.Equal((SeccompAction.Allow, SeccompAction.Allow),
            (Verdict(filter, 395, SeccompArchitecture.X86), Verdict(filter, 359, SeccompArchitecture.X86)));
    }

    // asm/unistd.h of Arm: __ARM_NR_BASE is 0xf0000, cacheflush 0xf0002, set_tls 0xf0005.
    [Fact]
    public void Arm_s_own_calls_are_neither_new_nor_make_a_profile_young()
    {
        SeccompFilter filter = SeccompProfile.Read("""
            {"defaultAction": "SCMP_ACT_ERRNO", "architectures": ["SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"],
             "syscalls": [{"names": ["execveat", "set_tls"], "action": "SCMP_ACT_ALLOW"}]}
            """, new SeccompProfileHost { Architecture = SeccompArchitecture.Arm64 });
        Assert.Equal((s_none, SeccompAction.Deny, SeccompAction.Allow), (Verdict(filter, Clone3, SeccompArchitecture.Arm),
            Verdict(filter, 0xf0002, SeccompArchitecture.Arm), Verdict(filter, 0xf0005, SeccompArchitecture.Arm)));
        Assert.Equal(s_none, Verdict(filter, 0xf0002, SeccompArchitecture.Arm64));
    }

    [Fact]
    public void A_rule_that_is_added_holds_whatever_the_profile_knew()
    {
        SeccompFilter filter = Read("SCMP_ACT_ERRNO", Allowed("\"execveat\"")).Allow("clone3");
        Assert.Equal((s_none, SeccompAction.Allow, s_none),
            (Verdict(filter, Clone3 - 1), Verdict(filter, Clone3), Verdict(filter, Clone3 + 1)));
        // Where none of its rules matches a call it is as new as it was.
        SeccompFilter some = Read("SCMP_ACT_ERRNO", Allowed("\"execveat\""))
            .Add(SeccompAction.Allow, "clone3", SeccompCondition.Equal(1, 88));
        Assert.Equal(s_none, Verdict(some, Clone3));
        Assert.Equal(SeccompAction.Deny, Verdict(filter.WithNewerSyscalls(null), Clone3 + 1));
        Assert.Equal(SeccompAction.Deny, Verdict(filter.WithNewerSyscalls(SeccompAction.Errno(Errno.ENOSYS)), Clone3 + 1));
    }

    [Fact]
    public void What_a_profile_knew_is_written_again()
    {
        SeccompFilter filter = Read("SCMP_ACT_ERRNO", Allowed("\"read\", \"ptrace\"") + Refused("\"faccessat2\""),
            "\"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"");
        Assert.Equal(filter.ToString(), SeccompProfile.Read(SeccompProfile.Write(filter), s_host).ToString());
    }

    // Whoever reads it gives ENOSYS for what is newer than the table: the words for anything else are missing.
    [Fact]
    public void A_filter_that_treats_newer_calls_as_others_is_written_as_knowing_the_table()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.KillProcess).WithArchitectures(SeccompArchitecture.X64).Allow("read");
        SeccompFilter read = SeccompProfile.Read(SeccompProfile.Write(filter), s_host);
        uint highest = SyscallTable.For(SeccompArchitecture.X64).Highest;
        Assert.Equal((SeccompAction.KillProcess, SeccompAction.KillProcess), (Verdict(filter, highest), Verdict(filter, highest + 1)));
        Assert.Equal((SeccompAction.KillProcess, s_none), (Verdict(read, highest), Verdict(read, highest + 1)));
    }

    [Fact]
    public void Newer_calls_that_wait_for_a_notifier_make_a_filter_that_needs_one()
    {
        Assert.True(SeccompFilter.Of(SeccompAction.Allow).WithNewerSyscalls(SeccompAction.UserNotify).Notifies);
        SeccompFilter told = SeccompFilter.Of(SeccompAction.Allow).WithArchitectures(SeccompArchitecture.X64)
            .WithNewerSyscalls(SeccompAction.Deny).WithDenialsNotified();
        Assert.Equal(SeccompAction.UserNotify, Verdict(told, 9999));
    }
}
