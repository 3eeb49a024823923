using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Abi.Tests;

/// <summary>Constants, structs and numbers against the installed C headers: static assertions that gcc compiles.</summary>
public class HeaderTests
{
    private static readonly string[] s_kernelHeaders =
    [
        "linux/types.h", "asm/fcntl.h", "linux/fcntl.h", "linux/sched.h", "linux/prctl.h", "linux/mount.h", "linux/openat2.h",
        "linux/memfd.h", "linux/close_range.h", "linux/wait.h", "asm/signal.h",
        "linux/stat.h", "linux/capability.h", "asm/resource.h", "asm/errno.h", "linux/bpf.h", "linux/bpf_common.h", "linux/mman.h",
        "stddef.h", "asm/ioctl.h", "linux/seccomp.h", "linux/landlock.h", "linux/keyctl.h", "linux/securebits.h",
    ];

    // These want libc's own sockets, which the others cannot stand.
    private static readonly string[] s_networkHeaders =
    [
        "sys/socket.h", "linux/types.h", "asm/ioctl.h", "linux/netlink.h", "linux/rtnetlink.h", "linux/if_link.h", "linux/if_tunnel.h",
        "linux/veth.h", "linux/if_bridge.h", "linux/if.h", "linux/if_tun.h", "linux/if_addr.h",
        "linux/neighbour.h", "linux/fib_rules.h", "linux/nexthop.h", "linux/pkt_sched.h", "linux/gen_stats.h", "linux/pkt_cls.h",
        "linux/tc_act/tc_mirred.h", "linux/tc_act/tc_skbedit.h", "linux/tc_act/tc_gact.h",
        "linux/tc_act/tc_bpf.h", "linux/netfilter/nfnetlink.h", "linux/netfilter.h", "linux/netfilter/nf_tables.h",
        "linux/netfilter/nf_nat.h", "linux/netfilter/nf_conntrack_common.h", "linux/netfilter/nfnetlink_conntrack.h",
        "linux/genetlink.h", "linux/wireguard.h",
    ];

    private static readonly string[] s_networkTypes = ["NetlinkAbi", "Rtnetlink", "IfLink", "IfTun", "IfAddr", "NeighbourAbi", "FibRules",
        "NexthopAbi", "PktSched", "PktCls", "Nfnetlink", "NfTables", "NfConntrack", "Genetlink", "WireguardAbi"];

    // Names that the headers of Debian 12 (Linux 6.1) do not have yet.
    private static readonly string[] s_newer =
    [
        "MFD_EXEC", "MFD_NOEXEC_SEAL", "PIDFD_THREAD", "PIDFD_GET_INFO", "PIDFD_INFO_EXIT",
        "SECCOMP_IOCTL_NOTIF_SET_FLAGS", "SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP", "LANDLOCK_RULE_PATH_BENEATH", "LANDLOCK_RULE_NET_PORT",
        "LANDLOCK_ADD_RULE_QUIET", "LANDLOCK_RESTRICT_SELF_LOG_SAME_EXEC_OFF",
        "LANDLOCK_RESTRICT_SELF_LOG_NEW_EXEC_ON", "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF", "LANDLOCK_RESTRICT_SELF_TSYNC",
        "LANDLOCK_RESTRICT_SELF_NO_NEW_PRIVS", "LANDLOCK_ACCESS_FS_TRUNCATE", "LANDLOCK_ACCESS_FS_IOCTL_DEV",
        "LANDLOCK_ACCESS_FS_RESOLVE_UNIX", "LANDLOCK_ACCESS_NET_BIND_TCP", "LANDLOCK_ACCESS_NET_CONNECT_TCP",
        "LANDLOCK_ACCESS_NET_BIND_UDP", "LANDLOCK_ACCESS_NET_CONNECT_SEND_UDP", "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET",
        "LANDLOCK_SCOPE_SIGNAL", "PR_SET_MDWE", "PR_GET_MDWE", "PR_MDWE_REFUSE_EXEC_GAIN",
    ];

    // Names that only libc's headers have.
    private static readonly string[] s_ofLibc = ["MNT_DETACH"];

    // Sizes: the kernel's names for them are other words.
    private static readonly string[] s_sizes = ["open_how_size"];

    [Fact]
    public void Every_constant_has_the_headers_value()
    {
        (string Name, string Value)[] constants = [.. Constants(network: false)], network = [.. Constants(network: true)];
        Assert.InRange(constants.Length, 90, 1000);
        Assert.InRange(network.Length, 450, 2000);
        Compile(Includes(s_networkHeaders) + string.Concat(network.Select(c => AssertEqual(c.Name, c.Value))));
        string kernel = string.Concat(constants.Where(c => !s_ofLibc.Contains(c.Name) && !s_sizes.Contains(c.Name))
            .Select(c => s_newer.Contains(c.Name)
                ? $"#ifdef {c.Name}\n{AssertEqual(c.Name, c.Value)}#endif\n"
                : AssertEqual(c.Name, c.Value)));
        Compile(Includes(s_kernelHeaders) + kernel + AssertEqual("sizeof(struct open_how)", "24"));
        Compile(Includes(["sys/mount.h"])
            + string.Concat(constants.Where(c => s_ofLibc.Contains(c.Name)).Select(c => AssertEqual(c.Name, c.Value))));
    }

    [Fact]
    public void A_wrong_value_does_not_compile() =>
        Assert.ThrowsAny<Exception>(() => Compile(Includes(s_kernelHeaders) + AssertEqual("CLONE_NEWNS", "1")));

    [Fact]
    public void Every_struct_has_the_headers_layout()
    {
        Type[] structs = [.. typeof(LinuxException).Assembly.GetTypes()
            .Where(t => t is { Namespace: "Isolation.Linux.Abi", IsValueType: true, IsEnum: false })];
        Assert.Equal(["clone_args", "mount_attr"], structs.Select(s => s.Name).Order());
        var source = new StringBuilder(Includes(s_kernelHeaders));
        foreach (Type type in structs)
        {
            int offset = 0;
            foreach (FieldInfo field in type.GetFields(BindingFlags.Instance | BindingFlags.NonPublic).OrderBy(f => f.MetadataToken))
            {
                Assert.Equal(typeof(ulong), field.FieldType);
                source.Append(AssertEqual($"offsetof(struct {type.Name}, {field.Name})", offset.ToString(CultureInfo.InvariantCulture)));
                offset += 8;
            }

            source.Append(AssertEqual($"sizeof(struct {type.Name})", offset.ToString(CultureInfo.InvariantCulture)));
        }

        Compile(source.ToString());
    }

    [Theory]
    [InlineData(Architecture.X64, "#include <asm/unistd.h>\n")]
    [InlineData(Architecture.Arm64, "#define __ARCH_WANT_RENAMEAT\n#define __ARCH_WANT_NEW_STAT\n#define __ARCH_WANT_SET_GET_RLIMIT\n"
        + "#define __ARCH_WANT_TIME32_SYSCALLS\n#define __ARCH_WANT_SYS_CLONE3\n#define __ARCH_WANT_MEMFD_SECRET\n"
        + "#define __BITS_PER_LONG 64\n#include <asm-generic/unistd.h>\n")]
    public void Every_system_call_has_the_headers_number(Architecture architecture, string include)
    {
        Assert.SkipUnless(architecture == Architecture.Arm64 || RuntimeInformation.ProcessArchitecture == Architecture.X64,
            "needs headers of x86-64");
        var source = new StringBuilder(include);
        int count = 0;
        foreach (Syscall call in Enum.GetValues<Syscall>())
        {
            int number;
            try
            {
                number = SyscallNumber.Of(call, architecture);
            }
            catch (PlatformNotSupportedException)
            {
                continue;
            }

            count++;
            // What is newer than the headers is left to the generator; what they have must agree.
            source.Append($"#ifdef __NR_{call}\n{AssertEqual($"__NR_{call}", number.ToString(CultureInfo.InvariantCulture))}#elif "
                + $"{number} < 440 && {(architecture == Architecture.X64 && call is not (Syscall.uretprobe or Syscall.uprobe) ? 1 : 0)}\n"
                + $"#error {call}\n#endif\n");
        }

        Assert.InRange(count, 300, 500);
        Compile(source.ToString());
    }

    [Fact]
    public void Public_enumerations_have_the_kernels_numbers()
    {
        IEnumerable<(string, string)> pairs =
        [
            .. Enum.GetValues<Errno>().Where(e => e != Errno.None).Select(e => (e.ToString(), Number((int)e))),
            .. Enum.GetValues<Capability>().Select(c => (CapabilitySet.KernelName(c), Number((int)c))),
            .. Enum.GetValues<RlimitResource>().Select(r => ("RLIMIT_" + r.ToString().ToUpperInvariant(), Number((int)r))),
            .. new (string Name, Securebits Bit)[]
            {
                ("NOROOT", Securebits.NoRoot), ("NOROOT_LOCKED", Securebits.NoRootLocked), ("NO_SETUID_FIXUP", Securebits.NoSetuidFixup),
                ("NO_SETUID_FIXUP_LOCKED", Securebits.NoSetuidFixupLocked),
                ("KEEP_CAPS", Securebits.KeepCaps), ("KEEP_CAPS_LOCKED", Securebits.KeepCapsLocked),
                ("NO_CAP_AMBIENT_RAISE", Securebits.NoAmbientRaise), ("NO_CAP_AMBIENT_RAISE_LOCKED", Securebits.NoAmbientRaiseLocked),
            }.Select(s => ("SECBIT_" + s.Name, Number((int)s.Bit))),
            .. Enum.GetValues<SeccompActionKind>().Where(k => k != SeccompActionKind.UserNotify)
                .Select(k => ("SECCOMP_RET_" + string.Concat(k.ToString()
                    .Select((c, i) => i > 0 && char.IsUpper(c) ? "_" + c : c.ToString())).ToUpperInvariant(), ActionValue(k))),
            ("SECCOMP_RET_USER_NOTIF", ActionValue(SeccompActionKind.UserNotify)),
            .. NamespaceKinds.All.Each().Select(k => (k.CloneNames(), Number((int)k))),
            .. Enum.GetValues<MountFlags>().Where(f => f != MountFlags.None).Select(f =>
                (f == MountFlags.ReadOnly ? "MOUNT_ATTR_RDONLY" : "MOUNT_ATTR_" + f.ToString().ToUpperInvariant(), Number((int)f))),
        ];
        Compile(Includes(s_kernelHeaders)
            + string.Concat(pairs.Select(p => p.Item1 == nameof(Errno.EFTYPE)
                ? $"#ifdef {p.Item1}\n{AssertEqual(p.Item1, p.Item2)}#endif\n"
                : AssertEqual(p.Item1, p.Item2))));
    }

    private static IEnumerable<(string Name, string Value)> Constants(bool network) => typeof(LinuxException).Assembly.GetTypes()
        .Where(t => t.Namespace == "Isolation.Linux.Abi" && s_networkTypes.Contains(t.Name) == network)
        .SelectMany(t => t.GetFields(BindingFlags.Static | BindingFlags.NonPublic | BindingFlags.Public))
        .Where(f => f.IsLiteral).Select(f => (f.Name, Convert.ToString(f.GetRawConstantValue(), CultureInfo.InvariantCulture)!));

    private static string ActionValue(SeccompActionKind kind) => (kind switch
    {
        SeccompActionKind.KillProcess => SeccompAction.KillProcess,
        SeccompActionKind.KillThread => SeccompAction.KillThread,
        SeccompActionKind.Trap => SeccompAction.Trap(),
        SeccompActionKind.Errno => SeccompAction.Errno(Errno.None),
        SeccompActionKind.UserNotify => SeccompAction.UserNotify,
        SeccompActionKind.Trace => SeccompAction.Trace(),
        SeccompActionKind.Log => SeccompAction.Log,
        _ => SeccompAction.Allow,
    }).Value.ToString(CultureInfo.InvariantCulture);

    private static string Number(int value) => value.ToString(CultureInfo.InvariantCulture);

    private static string Includes(IEnumerable<string> headers) => string.Concat(headers.Select(h => $"#include <{h}>\n"));

    private static string AssertEqual(string expression, string value) =>
        $"_Static_assert((long long)({expression}) == (long long)({value}{(value.StartsWith('-') ? "" : "ULL")}), "
            + $"\"{expression.Replace("\"", "")} is not {value}\");\n";

    private static void Compile(string source)
    {
        Host.NeedsTool("gcc");
        using var directory = new TemporaryDirectory();
        string file = directory.Write("check.c", source);
        (int code, string output) = Host.Run("gcc", "-D_GNU_SOURCE", "-fsyntax-only", file);
        Assert.True(code == 0, output);
    }
}
