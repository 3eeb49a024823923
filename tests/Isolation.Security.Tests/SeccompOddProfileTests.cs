using Isolation.Linux;

namespace Isolation.Security.Tests;

/// <summary>Profiles as people write them: read as Docker and Podman read them,
/// or refused with the place; never less than they say.</summary>
public class SeccompOddProfileTests
{
    private static readonly SeccompProfileHost s_host = new() { Architecture = SeccompArchitecture.X64, Kernel = new KernelVersion(6, 12) };

    private static SeccompFilter Read(string json) => SeccompProfile.Read(json, s_host);

    private static SeccompFilter ReadEntry(string entry) => Read($$"""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{{entry}}]}""");

    // moby, profiles/seccomp: "use either"; containers/common, pkg/seccomp, the same; runc: "empty string is not a valid syscall".
    [Theory]
    [InlineData("""{"name": "", "names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}""", "")]
    [InlineData("""{"name": null, "names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}""", "")]
    [InlineData("""{"name": "ptrace", "names": null, "action": "SCMP_ACT_ERRNO"}""", "")]
    [InlineData("""{"name": "ptrace", "names": [], "action": "SCMP_ACT_ERRNO"}""", "")]
    [InlineData("""{"Names": ["ptrace"], "ACTION": "SCMP_ACT_ERRNO", "args": null, "includes": null}""", "")]
    [InlineData("""{"names": ["ptrace", "ptrac"], "action": "SCMP_ACT_ERRNO"}""", "")]
    [InlineData("""{"name": "ptrace", "names": ["mount"], "action": "SCMP_ACT_ERRNO"}""", "syscalls[0].name and names are both given")]
    [InlineData("""{"names": ["ptrace", ""], "action": "SCMP_ACT_ERRNO"}""", "syscalls[0].names[1] is empty")]
    [InlineData("""{"names": [], "action": "SCMP_ACT_ERRNO"}""", "syscalls[0].names is empty")]
    [InlineData("""{"name": "", "action": "SCMP_ACT_ERRNO"}""", "syscalls[0].names is missing")]
    [InlineData("""{"names": ["ptrac"], "action": "SCMP_ACT_ERRNO"}""",
        "syscalls[0].names would refuse nothing: Linux 7.3 has no call \"ptrac\" (is \"ptrace\" meant?)")]
    [InlineData("""{"names": ["s390_sthyi"], "action": "SCMP_ACT_ERRNO"}""", "-")]
    public void An_entry_refuses_what_it_names_or_is_refused_itself(string entry, string fault)
    {
        if (fault.Length > 1)
            Assert.Contains(fault, Assert.Throws<FormatException>(() => ReadEntry(entry)).Message);
        else
            Assert.Equal(fault.Length > 0, ReadEntry(entry).Explain("ptrace").Action.MayRun);
    }

    [Fact]
    public void Entries_that_permit_may_name_calls_that_are_not_there()
    {
        SeccompFilter filter = Read(
            """{"defaultAction": "SCMP_ACT_ERRNO", "syscalls": [{"names": ["of_tomorrow"], "action": "SCMP_ACT_ALLOW"}]}""");
        Assert.Equal(["of_tomorrow"], filter.UnknownNames);
    }

    // containers/common, pkg/seccomp/types.go and getErrno: a name or a number as text, before the number.
    [Theory]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS"}""", Errno.ENOSYS)]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "ENOSYS", "errnoRet": 1}""", Errno.ENOSYS)]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "", "errnoRet": 13}""", Errno.EACCES)]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "13"}""", Errno.EACCES)]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "ENOTSUP"}""", Errno.EOPNOTSUPP)]
    [InlineData("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO"}""", Errno.EPERM)]
    public void Podman_s_error_names_are_error_numbers(string entry, Errno errno) =>
        Assert.Equal(SeccompAction.Errno(errno), ReadEntry(entry).Explain("ptrace").Action);

    [Fact]
    public void Podman_s_default_error_name_counts_too_and_a_wrong_one_is_told()
    {
        Assert.Equal(SeccompAction.Errno(Errno.ENOSYS),
            Read("""{"defaultAction": "SCMP_ACT_ERRNO", "defaultErrno": "ENOSYS", "defaultErrnoRet": 1}""").DefaultAction);
        Assert.Contains("syscalls[0].errno \"EPREM\" is no error number",
            Assert.Throws<FormatException>(() =>
                ReadEntry("""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "errno": "EPREM"}""")).Message);
    }

    [Theory]
    [InlineData("includes", false)] // Docker: the container has no such capability
    [InlineData("excludes", true)]
    public void A_capability_that_is_not_known_the_program_has_not(string section, bool applies)
    {
        SeccompFilter filter = ReadEntry(
            $$"""{"names": ["ptrace"], "action": "SCMP_ACT_ERRNO", "{{section}}": {"caps": ["CAP_OF_TOMORROW"]} }""");
        Assert.Equal((!applies, "CAP_OF_TOMORROW"), (filter.Explain("ptrace").Action.MayRun, Assert.Single(filter.UnknownNames)));
    }

    // seccomp_init(3): the native architecture is in every filter; runc adds the profile's to it.
    [Theory]
    [InlineData("\"architectures\": [\"SCMP_ARCH_AARCH64\", \"SCMP_ARCH_ARM\"]",
        new[] { SeccompArchitecture.X64, SeccompArchitecture.Arm64, SeccompArchitecture.Arm })]
    [InlineData("\"architectures\": [\"SCMP_ARCH_X86\", \"SCMP_ARCH_X86_64\", \"SCMP_ARCH_X86\"]",
        new[] { SeccompArchitecture.X86, SeccompArchitecture.X64 })]
    [InlineData("\"architectures\": [\"SCMP_ARCH_S390X\", \"SCMP_ARCH_RISCV64\"]", new[] { SeccompArchitecture.X64 })]
    [InlineData("\"architectures\": [\"SCMP_ARCH_NATIVE\"]", new[] { SeccompArchitecture.X64 })]
    [InlineData("\"architectures\": []", new[] { SeccompArchitecture.X64 })]
    [InlineData("\"archMap\": [{\"architecture\": \"SCMP_ARCH_X86_64\", \"subArchitectures\": [\"SCMP_ARCH_X32\"]}]",
        new[] { SeccompArchitecture.X64, SeccompArchitecture.X32 })]
    [InlineData("\"archMap\": [{\"architecture\": \"SCMP_ARCH_S390X\", \"subArchitectures\": [\"SCMP_ARCH_S390\"]}]",
        new[] { SeccompArchitecture.X64 })]
    public void The_machine_s_own_architecture_is_always_in(string list, SeccompArchitecture[] architectures) =>
        Assert.Equal(architectures, Read("{\"defaultAction\": \"SCMP_ACT_ALLOW\", " + list + "}").Architectures);

    [Fact]
    public void Two_lists_of_architectures_are_refused() => Assert.Contains("both given", Assert.Throws<FormatException>(() =>
        Read("""{"defaultAction": "SCMP_ACT_ALLOW", "architectures": ["SCMP_ARCH_X86_64"],"""
            + """ "archMap": [{"architecture": "SCMP_ARCH_X86_64"}]}""")).Message);

    // RFC 8259, section 8.2: such texts are JSON by its grammar, and no Unicode.
    [Theory]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["\ud800"], "action": "SCMP_ACT_ERRNO"}]}""",
        "syscalls[0].names[0] is no Unicode text")]
    [InlineData("""{"defaultAction": "\udc00"}""", "defaultAction is no Unicode text")]
    [InlineData("""{"\ud83d": 1, "defaultAction": "SCMP_ACT_ALLOW"}""", "the name of a member is no Unicode text")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO","""
        + """ "includes": {"arches": ["\ud800"]}}]}""", "is no Unicode text")]
    [InlineData("""{"defaultAction": "SCMP_ACT_ALLOW", "syscalls": [{"names": ["read"], "action": "SCMP_ACT_ERRNO","""
        + """ "includes": {"caps": ["\ud800"]}}]}""", "is no Unicode text")]
    public void Half_a_surrogate_pair_is_a_fault_with_a_place(string json, string fault) =>
        Assert.Contains(fault, Assert.Throws<FormatException>(() => Read(json)).Message);

    [Fact]
    public void Half_a_surrogate_pair_as_it_is_is_a_fault_too() =>
        Assert.Contains("half of a surrogate pair at character 3",
            Assert.Throws<FormatException>(() => Read("{\"" + (char)0xd800 + "\": 1}")).Message);

    [Fact]
    public void A_file_without_an_end_is_refused_at_once()
    {
        Assert.Contains("larger than 4 MiB", Assert.Throws<FormatException>(() => SeccompProfile.ReadFile("/dev/zero")).Message);
        Assert.Throws<FormatException>(() => SeccompProfile.ReadFile("/dev/null"));
        Assert.Throws<FileNotFoundException>(() => SeccompProfile.ReadFile("/nowhere"));
    }

    [Fact]
    public void A_file_is_read_with_and_without_a_byte_order_mark()
    {
        string path = Path.GetTempFileName();
        try
        {
            const string Json = """{"defaultAction": "SCMP_ACT_LOG"}""";
            File.WriteAllText(path, Json, new System.Text.UTF8Encoding(true));
            Assert.Equal(SeccompAction.Log, SeccompProfile.ReadFile(path).DefaultAction);
            File.WriteAllBytes(path, [.. "{\"defaultAction\": \""u8, 0xff, .. "\"}"u8]);
            Assert.Contains("Unicode", Assert.Throws<FormatException>(() => SeccompProfile.ReadFile(path)).Message);
        }
        finally
        {
            File.Delete(path);
        }
    }

    [Fact]
    public void What_a_profile_says_is_printed_without_effect_on_the_terminal()
    {
        string message = Assert.Throws<FormatException>(() => Read("{\"defaultAction\": \"\\u001b[2J\\nx\"}")).Message;
        Assert.Contains(@"\x1b[2J\nx", message);
    }

    [Fact]
    public void Conditions_on_an_int_hold_whatever_its_high_bits_are_and_masks_as_they_are()
    {
        // socket(2) takes ints: 2^32 + 40 makes an AF_VSOCK socket, which runc and libseccomp, comparing 64 bits, let through.
        SeccompFilter filter = ReadEntry(
            """{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 40, "op": "SCMP_CMP_EQ"}]}""");
        Assert.False(filter.Explain("socket", 40).Action.MayRun);
        Assert.False(filter.Explain("socket", (1ul << 32) + 40).Action.MayRun);
        filter = ReadEntry("""{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0, "value": 18446744073709551615,"""
            + """ "valueTwo": 40, "op": "SCMP_CMP_MASKED_EQ"}]}""");
        Assert.False(filter.Explain("socket", 40).Action.MayRun);
        Assert.True(filter.Explain("socket", (1ul << 32) + 40).Action.MayRun);
        Assert.Contains("syscalls[0].args cannot hold: argument 0 of socket has 32 bits, which 0x100000028 exceeds",
            Assert.Throws<FormatException>(() =>
                ReadEntry("""{"names": ["socket"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0,"""
                    + """ "value": 4294967336, "op": "SCMP_CMP_EQ"}]}""")).Message);
        // A negative number, as wide as C's compilers make it.
        filter = ReadEntry("""{"names": ["openat"], "action": "SCMP_ACT_ERRNO", "args": [{"index": 0,"""
            + """ "value": 18446744073709551516, "op": "SCMP_CMP_EQ"}]}""");
        Assert.False(filter.Explain("openat", unchecked((ulong)-100)).Action.MayRun);
        Assert.False(filter.Explain("openat", 0xffffff9c).Action.MayRun);
    }
}
