using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>The bits of an argument that the kernel takes: as it says itself, and as an attacker uses the others.</summary>
public class SeccompIntegerTests
{
    // The kernel's functions whose names are not their calls'.
    private static readonly Dictionary<string, string> s_functions = new(StringComparer.Ordinal)
    {
        ["stat"] = "newstat",
        ["fstat"] = "newfstat",
        ["lstat"] = "newlstat",
        ["uname"] = "newuname",
        ["umount2"] = "umount",
        ["sendfile"] = "sendfile64",
    };

    // Declared as a long: kernel_clone gets the low half of the flags, fdget() and find_get_task_by_vpid() take ints.
    private static readonly HashSet<(string, int)> s_halved =
        [("clone", 0), ("readv", 0), ("writev", 0), ("preadv", 0), ("pwritev", 0), ("preadv2", 0), ("pwritev2", 0),
            ("mmap", 4), ("ptrace", 1)];

    [Fact]
    public void The_kernel_s_own_definitions_say_how_many_bits_a_call_takes()
    {
        Assert.SkipUnless(Host.IsRoot, "needs root, to mount tracefs in a namespace of its own");
        const string Script = "mount -t tracefs none /mnt && cd /mnt/events/syscalls && grep -H field: sys_enter_*/format";
        (int code, string output) = Host.Run("unshare", "-m", "--propagation", "private", "sh", "-c", Script);
        Assert.SkipWhen(code != 0, "needs a kernel that traces system calls (CONFIG_FTRACE_SYSCALLS)");
        // sys_enter_socket/format:	field:int family;	offset:16;	size:8;	signed:0;
        string[] others = ["common_", "__syscall_nr", "__data_loc"];
        ILookup<string, string> types = output.Split('\n')
            .Where(l => l.Contains("field:", StringComparison.Ordinal) && !others.Any(l.Contains)).ToLookup(
                l => l["sys_enter_".Length..l.IndexOf('/', StringComparison.Ordinal)], l => l.Split("field:")[1].Split(';')[0]);
        int compared = 0;
        foreach (string name in SyscallTable.For(SeccompFilter.Default.Architectures[0]).Names)
        {
            string[] declared = [.. types[s_functions.GetValueOrDefault(name, name)]];
            for (int i = 0; i < declared.Length; i++, compared++)
            {
                ulong mask = SyscallParameters.Mask(name, i);
                Assert.True(s_halved.Contains((name, i)) || Mask(declared[i]) == mask,
                    $"argument {i} of {name} is {declared[i]}: 0x{mask:x}");
            }
        }

        Assert.True(compared > 700, $"only {compared} arguments were compared");
    }

    private static ulong Mask(string declaration)
    {
        string type = declaration[..declaration.LastIndexOf(' ')].Replace("const ", "", StringComparison.Ordinal);
        return type.Contains('*', StringComparison.Ordinal) || type.Contains("long", StringComparison.Ordinal)
            || type is "size_t" or "loff_t" or "off_t" or "u64" or "__u64" or "aio_context_t" or "cap_user_header_t" or "cap_user_data_t"
                ? ulong.MaxValue
            : type == "umode_t" ? ushort.MaxValue : uint.MaxValue;
    }

    // socket(2) takes ints: the kernel makes what it would make without the other bits, as the run without a filter shows.
    [Theory]
    [InlineData("socket", 40, 1, 0)] // AF_VSOCK
    [InlineData("socket", 38, 5, 0)] // AF_ALG
    public async Task Sockets_are_refused_whatever_the_high_bits_of_their_family_are(string call, ulong family, ulong type, ulong protocol)
    {
        Host.NeedsTool("python3");
        foreach (ulong high in new ulong[] { 0, 1ul << 32, 1ul << 63, 0x7fffffff_00000000 })
        {
            string script = $"import ctypes; c = ctypes.CDLL(None, use_errno=True); "
                + $"r = c.syscall(ctypes.c_long({SyscallTable.For(SeccompFilter.Default.Architectures[0]).Number(call)}), "
                + $"ctypes.c_ulong({family | high}), "
                + $"ctypes.c_ulong({type}), ctypes.c_ulong({protocol})); print(0 if r >= 0 else ctypes.get_errno())";
            ContainerBuilder attack = Box.Builder("python3", "-c", script);
            string refused = await attack.OutputAsync();
            Assert.Equal("1", refused.Trim()); // EPERM
            string without = await attack.WithSeccompUnconfined().OutputAsync();
            Assert.SkipWhen(without.Trim() == "97", $"needs a kernel with the address family {family} ({call})"); // EAFNOSUPPORT
            Assert.Equal("0", without.Trim());
        }
    }

    [Fact]
    public void A_rule_that_looks_at_an_int_is_not_got_around_by_bits_above()
    {
        using var thread = new LinuxThread("filtered");
        SyscallResult[] results = thread.Invoke(() =>
        {
            NoNewPrivileges.SetForCurrentThread();
            SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.Errno(Errno.EXFULL), "dup", SeccompCondition.LessThan(0, 100))
                .LoadOnCurrentThread();
            return new[] { Dup(1ul << 32), Dup(2), Dup(5000) };
        });
        Assert.Equal([Errno.EXFULL, Errno.EXFULL, Errno.EBADF], results.Select(r => r.Errno));

        static SyscallResult Dup(ulong descriptor) => RawSyscall.Invoke(Syscall.dup, unchecked((nuint)descriptor));
    }

    [Fact]
    public async Task A_filter_without_this_machine_s_architecture_is_refused_before_the_start_and_a_profile_gets_it()
    {
        bool isX64 = SeccompFilter.Default.Architectures[0] == SeccompArchitecture.X64;
        SeccompArchitecture foreign = isX64 ? SeccompArchitecture.Arm64 : SeccompArchitecture.X64;
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).WithArchitectures(foreign);
        SpecException refused = await Assert.ThrowsAsync<SpecException>(() => Box.Builder("/bin/true").WithSeccomp(filter).StartAsync());
        Assert.Contains("linux.seccomp.architectures: must have", refused.Message);
        string name = isX64 ? "SCMP_ARCH_AARCH64" : "SCMP_ARCH_X86_64";
        SeccompFilter read = SeccompProfile.Read("{\"defaultAction\": \"SCMP_ACT_ALLOW\", \"architectures\": [\"" + name + "\"]}");
        Assert.True((await Box.Builder("/bin/true").WithSeccomp(read).WithDenialReport().RunAsync()).Status.Code == 0);
    }

    [Fact]
    public async Task A_handler_that_never_returns_delays_neither_kill_nor_dispose()
    {
        using var never = new ManualResetEventSlim();
        using var reached = new ManualResetEventSlim();
        SeccompFilter filter = SeccompFilter.Of(SeccompAction.Allow).Add(SeccompAction.UserNotify, "mkdir", "mkdirat");
        Container process = await Box.Builder("mkdir", "/tmp/x").WithSeccomp(filter, _ =>
        {
            reached.Set();
            never.Wait();
            return new(SeccompReply.Continue);
        }).StartAsync();
        Assert.True(reached.Wait(TimeSpan.FromSeconds(20)));
        long start = Stopwatch.GetTimestamp();
        process.Kill();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        Assert.Equal(Signal.SIGKILL, (await process.WaitAsync(patience.Token)).Status.Signal);
        await process.DisposeAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(20));
        // Half a second for the handler, and what a busy machine takes.
        Assert.InRange(Stopwatch.GetElapsedTime(start), TimeSpan.Zero, TimeSpan.FromSeconds(5));
        never.Set();
    }
}
