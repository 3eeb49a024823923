using Isolation.Linux;

namespace Isolation.Security.Tests;

public class SeccompProfileTests
{
    private static readonly SeccompProfileHost s_host = new()
    { Architecture = SeccompArchitecture.X64, Capabilities = CapabilitySet.DockerDefault, Kernel = new KernelVersion(6, 12) };

    [Theory]
    [InlineData("", "no JSON")]
    [InlineData("[]", "it is no object")]
    [InlineData("{}", "defaultAction is missing")]
    [InlineData("""{"defaultAction": "SCMP_ACT_FOO"}""", "defaultAction \"SCMP_ACT_FOO\" is none of")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {}}""", "syscalls is no list")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [5]}""", "syscalls[0].action is missing")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"]}]}""", "syscalls[0].action is missing")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"action": "SCMP_ACT_ERRNO"}]}""", "syscalls[0].names is missing")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": [7], "action": "SCMP_ACT_ERRNO"}]}""",
        "syscalls[0].names[0] is no text")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO", "errnoRet": 5000}]}""",
        "syscalls[0].errnoRet is 0 to 4095")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO","""
        + """ "args": [{"index": 6, "value": 1, "op": "SCMP_CMP_EQ"}]}]}""", "syscalls[0].args[0].index is 0 to 5")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO","""
        + """ "args": [{"index": 0, "value": -1, "op": "SCMP_CMP_EQ"}]}]}""", "syscalls[0].args[0].value is no number")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO","""
        + """ "args": [{"index": 0, "value": 1, "op": "EQ"}]}]}""", "syscalls[0].args[0].op \"EQ\" is none of")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "flags": ["SECCOMP_FILTER_FLAG_X"]}""",
        "flags \"SECCOMP_FILTER_FLAG_X\" is none of")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_65"]}""",
        "architectures \"SCMP_ARCH_X86_65\" is no architecture")]
    [InlineData("""{"linux": {}}""", "linux.seccomp is missing")]
    public void Faults_are_told_with_their_place(string json, string fault) =>
        Assert.Contains(fault, Assert.Throws<FormatException>(() => SeccompProfile.Read(json, s_host)).Message);

    [Fact]
    public void Includes_and_excludes_are_decided_by_the_host()
    {
        const string Json = """
            {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [
              {"names": ["mount"], "action": "SCMP_ACT_ALLOW", "includes": {"caps": ["CAP_SYS_ADMIN"]}},
              {"names": ["umount2"], "action": "SCMP_ACT_ALLOW", "excludes": {"caps": ["CAP_SYS_ADMIN"]}},
              {"names": ["ptrace"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "6.13"}},
              {"names": ["kcmp"], "action": "SCMP_ACT_ALLOW", "includes": {"minKernel": "4.8"}},
              {"names": ["arch_prctl"], "action": "SCMP_ACT_ALLOW", "includes": {"arches": ["amd64"]}},
              {"names": ["chroot"], "action": "SCMP_ACT_ALLOW", "excludes": {"arches": ["amd64"]}},
              {"names": ["read", "s390_sthyi", "read_twice"], "action": "SCMP_ACT_ALLOW"},
              {"names": ["sync"], "action": "SCMP_ACT_ERRNO", "errnoRet": 1}
            ]}
            """;
        SeccompFilter filter = SeccompProfile.Read(Json, s_host);
        Assert.Equal(["umount2", "kcmp", "arch_prctl", "read"], filter.Rules.Select(r => r.Syscall));
        Assert.Equal(["read_twice"], filter.UnknownNames); // s390 has the other one
        Assert.Equal(["mount", "kcmp", "arch_prctl", "read"],
            SeccompProfile.Read(Json, s_host with { Capabilities = CapabilitySet.All }).Rules.Select(r => r.Syscall));
        Assert.Equal([SeccompArchitecture.X64], filter.Architectures);
    }

    [Fact]
    public void An_argument_that_is_named_twice_makes_alternatives()
    {
        SeccompFilter filter = SeccompProfile.Read("""
            {"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["personality"], "action": "SCMP_ACT_ALLOW",
              "args": [{"index": 0, "value": 0, "op": "SCMP_CMP_EQ"}, {"index": 0, "value": 8, "op": "SCMP_CMP_EQ"}]}]}
            """, s_host);
        Assert.Equal(2, filter.Rules.Length);
        Assert.True(filter.Explain("personality", 8).Action.MayRun);
    }

    [Fact]
    public void A_whole_config_is_read_for_its_filter()
    {
        SeccompFilter filter = SeccompProfile.Read("""
            {"ociVersion": "1.2.0", "linux": {"seccomp": {
             "defaultAction": "SCMP_ACT_KILL", "architectures": ["SCMP_ARCH_X86_64", "SCMP_ARCH_X32"],
              "flags": ["SECCOMP_FILTER_FLAG_LOG"], "syscalls": [{"names": ["mkdir"], "action": "SCMP_ACT_NOTIFY"}]}}}
            """, s_host);
        Assert.Equal((SeccompAction.KillThread, SeccompFlags.Log, SeccompAction.UserNotify),
            (filter.DefaultAction, filter.Flags, filter.Explain("mkdir").Action));
        Assert.Equal([SeccompArchitecture.X64, SeccompArchitecture.X32], filter.Architectures);
    }

    [Fact]
    public void Podman_s_profile_is_read_as_it_is()
    {
        string? path = new[] { "/usr/share/containers/seccomp.json", "/etc/containers/seccomp.json" }.FirstOrDefault(File.Exists);
        Assert.SkipWhen(path is null, "needs the package golang-github-containers-common");
        SeccompFilter filter = SeccompProfile.Read(File.ReadAllText(path), s_host);
        Assert.True(filter.Explain("read").Action.MayRun);
        Assert.False(filter.Explain("init_module").Action.MayRun);
    }

    [Fact]
    public void A_learned_profile_allows_what_was_seen_and_merges()
    {
        var one = new LearnedProfile
        {
            Syscalls = System.Collections.Immutable.ImmutableSortedDictionary<string, long>.Empty.Add("read", 3)
                .Add("socket", 1).Add("clone", 1),
            Operations = System.Collections.Immutable.ImmutableSortedDictionary<string,
                System.Collections.Immutable.ImmutableArray<ulong>>.Empty.Add("socket", [1]),
            Read = ["/etc/passwd"],
        };
        var two = new LearnedProfile { Syscalls = one.Syscalls.Remove("socket").SetItem("read", 2), CloneFlags = 0x20000000 };
        SeccompFilter first = one.ToFilter(), both = one.Merge(two).ToFilter();
        Assert.True(first.Explain("socket", 1).Action.MayRun);
        Assert.False(first.Explain("socket", 2).Action.MayRun);
        Assert.False(first.Explain("write").Action.MayRun);
        Assert.False(first.Explain("clone", 0x20000000).Action.MayRun);
        Assert.True(both.Explain("clone", 0x20000000).Action.MayRun);
        Assert.False(both.Explain("clone", 0x10000000).Action.MayRun);
        Assert.Equal(5, one.Merge(two).Syscalls["read"]);
        Assert.Equal(["/etc/passwd"], one.Merge(two).Read);
        Assert.Contains(".Add(SeccompAction.Allow, \"socket\", SeccompCondition.MaskedEqual(0, 0xffffffff, 0x1))", one.ToCSharp());
        // A profile has no names that the architecture lacks, as x86-64 does sigreturn.
        string written = first.ToString().Replace("\nsigreturn: allow\n", "\n", StringComparison.Ordinal);
        Assert.Equal(written,
            SeccompProfile.Read(one.ToJson(), new SeccompProfileHost()).ToString());
        // A call that is newer than the table has no name.
        LearnedProfile newer = one with { Syscalls = one.Syscalls.Add("9999", 1) };
        Assert.True(newer.ToFilter().Explain("9999").Action.MayRun);
        Assert.Equal(one.ToJson(), newer.ToJson());
    }

    /// <summary>linux/net.h: SYS_SOCKET is 1. Readers drop the rule for socketcall,
    /// and i386's socket would be allowed through it.</summary>
    [Fact]
    public void A_refusal_of_socketcall_that_readers_would_drop_is_not_written()
    {
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Deny).WithArchitectures(SeccompArchitecture.X64, SeccompArchitecture.X86)
            .Allow("socket").Add(SeccompAction.Deny, "socketcall");
        Assert.Equal(SeccompAction.Deny, filter.Explain(Socketcall()).Action);
        Assert.Contains("on X86 socket goes through it",
            Assert.Throws<InvalidOperationException>(() => SeccompProfile.Write(filter)).Message);
        SeccompFilter alone = filter.WithArchitectures(SeccompArchitecture.X64);
        Assert.True(SeccompProfile.Read(SeccompProfile.Write(alone), s_host).Explain("socket").Action.MayRun);

        static SeccompCall Socketcall() => SeccompCall.Of(SeccompArchitecture.X86,
            SyscallTable.For(SeccompArchitecture.X86).Number("socketcall")!.Value, [1ul, 0, 0, 0, 0, 0]);
    }
}
