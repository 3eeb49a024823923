using Isolation.Containers;
using Isolation.Linux;
using Isolation.Security;

namespace Isolation.Kernel.Tests.Security;

/// <summary>What other runtimes' filters were got around by, tried under the default filter,
/// and without a filter, where it would work.</summary>
public class SeccompAttackTests
{
    // A call a line: its name, and what it returns; errors as negative numbers. Killed by the filter, it says nothing more.
    private const string Source = """
        #define _GNU_SOURCE
        #include <stdio.h>
        #include <string.h>
        #include <stdlib.h>
        #include <errno.h>
        #include <unistd.h>
        #include <sys/syscall.h>
        static long call(long n, long a, long b, long c, long d, long e) { long r = syscall(n, a, b, c, d, e); return r < 0 ? -errno : r; }
        int main(int argc, char **argv)
        {
            static char zeros[4096];
            const char *what = argv[1];
            long r = -9999;
            if (!strcmp(what, "tiocsti")) r = call(SYS_ioctl, 0, 0x5412, (long)"x", 0, 0);
            if (!strcmp(what, "tiocsti with high bits")) r = call(SYS_ioctl, 0, 0x7fffffff00005412, (long)"x", 0, 0);
            if (!strcmp(what, "tioclinux with high bits")) r = call(SYS_ioctl, 0, 0x10000541C, (long)zeros, 0, 0);
            if (!strcmp(what, "clone3")) r = call(435, (long)zeros, 8, 0, 0, 0);
            if (!strcmp(what, "clone with a user namespace")) r = call(SYS_clone, 0x10000000 | 0x100, 0, 0, 0, 0);
            if (!strcmp(what, "unshare")) r = call(SYS_unshare, 0x10000000, 0, 0, 0, 0);
            if (!strcmp(what, "setns")) r = call(SYS_setns, -1, 0, 0, 0, 0);
            if (!strcmp(what, "io_uring")) r = call(425, 4, (long)zeros, 0, 0, 0);
            if (!strcmp(what, "fsopen")) r = call(430, (long)"tmpfs", 0, 0, 0, 0);
            if (!strcmp(what, "open_tree")) r = call(428, -100, (long)"/", 1, 0, 0);
            if (!strcmp(what, "move_mount")) r = call(429, -1, (long)"", -1, (long)"", 4);
            if (!strcmp(what, "mount_setattr")) r = call(442, -100, (long)"/", 0, (long)zeros, 32);
            if (!strcmp(what, "ptrace")) r = call(SYS_ptrace, 0, 0, 0, 0, 0);
            if (!strcmp(what, "ptrace of process 1")) r = call(SYS_ptrace, 0x4206, 1, 0, 0, 0);
            if (!strcmp(what, "keyctl")) r = call(SYS_keyctl, 0, -3, 0, 0, 0) > 0 ? 1 : -errno;
            if (!strcmp(what, "add_key")) r = call(SYS_add_key, (long)"user", (long)"k", (long)"v", 1, -3) > 0 ? 1 : -errno;
            if (!strcmp(what, "bpf")) r = call(SYS_bpf, 99, (long)zeros, 8, 0, 0);
            if (!strcmp(what, "userfaultfd")) r = call(SYS_userfaultfd, 1, 0, 0, 0, 0) > 0 ? 1 : -errno;
            if (!strcmp(what, "vsock")) r = call(SYS_socket, 40, 1, 0, 0, 0) > 0 ? 1 : -errno;
            if (!strcmp(what, "open_by_handle_at")) r = call(SYS_open_by_handle_at, -1, (long)zeros, 0, 0, 0);
            if (!strcmp(what, "session keyring")) r = call(SYS_keyctl, 0, -3, 0, 0, 0);
        #ifdef __x86_64__
            if (!strcmp(what, "x32 getpid")) r = call(0x40000000 | SYS_getpid, 0, 0, 0, 0, 0);
            if (!strcmp(what, "i386 getpid")) { int x = 20; __asm__ volatile("int $0x80" : "+a"(x) :: "memory"); r = x > 0 ? 1 : x; }
            if (!strcmp(what, "i386 mount"))
            {
                int x = 21;
                __asm__ volatile("int $0x80" : "+a"(x) : "b"(0), "c"(0), "d"(0), "S"(0), "D"(0) : "memory");
                r = x;
            }
        #endif
            printf("%ld\n", r);
            return 0;
        }
        """;

    public static TheoryData<string, int, string> Attacks => new()
    {
        { "tiocsti", -1, "" }, { "tiocsti with high bits", -1, "" }, { "tioclinux with high bits", -1, "" },
        { "clone3", -38, "" }, { "clone with a user namespace", -1, "" }, { "unshare", -1, "" }, { "setns", -1, "" },
        { "io_uring", -1, "" },
        { "fsopen", -1, "CAP_SYS_ADMIN" }, { "open_tree", -1, "CAP_SYS_ADMIN" }, { "move_mount", -1, "CAP_SYS_ADMIN" },
        { "mount_setattr", -1, "CAP_SYS_ADMIN" },
        { "ptrace", -1, "" }, { "ptrace of process 1", -1, "CAP_SYS_PTRACE" }, { "keyctl", -1, "" }, { "add_key", -1, "" },
        { "bpf", -1, "CAP_SYS_ADMIN CAP_BPF" }, { "userfaultfd", -1, "" }, { "vsock", -1, "" },
        { "open_by_handle_at", -1, "CAP_DAC_READ_SEARCH" },
    };

    [Theory]
    [MemberData(nameof(Attacks))]
    public async Task The_default_filter_refuses(string attack, int refusal, string capabilities)
    {
        Host.NeedsTool("gcc");
        using var directory = new TemporaryDirectory();
        (_, string output) = await Victim(directory, attack, "").RunAndReadAsync();
        Assert.Equal(refusal.ToString(), output.Trim());
        // Before Linux 6.11 open_by_handle_at(2) wants the capability of the initial user namespace.
        if (attack == "open_by_handle_at" && !Host.IsRoot && KernelVersion.Running < new KernelVersion(6, 11))
            return;
        // Without the filter the kernel looks at the call: it works, or fails otherwise. Where it is a capability's as well, that is given.
        (_, string without) = await Victim(directory, attack, capabilities).WithSeccompUnconfined().RunAndReadAsync();
        Assert.NotEqual(refusal.ToString(), without.Trim());
    }

    [Theory]
    [InlineData("x32 getpid", "of X32")]
    [InlineData("i386 getpid", "of X86")]
    [InlineData("i386 mount", "of X86")]
    public async Task Calls_of_other_architectures_kill_and_are_told(string attack, string told)
    {
        Host.NeedsTool("gcc");
        Assert.SkipUnless(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture
            == System.Runtime.InteropServices.Architecture.X64, "needs x86-64");
        using var directory = new TemporaryDirectory();
        (ContainerResult result, string output) = await Victim(directory, attack, "").WithSeccompUnconfined().RunAndReadAsync();
        // Without IA-32 emulation the instruction itself is a fault.
        Assert.SkipWhen(result.Status.Signal == Signal.SIGSEGV, "needs a kernel that takes calls of 32-bit programs");
        Assert.NotEqual("", output);
        (result, output) = await Victim(directory, attack, "").RunAndReadAsync();
        Assert.Equal(("", Signal.SIGSYS, true), (output, result.Status.Signal, result.KilledBySeccomp));
        (result, output) = await Victim(directory, attack, "").WithDenialReport().RunAndReadAsync();
        Assert.Equal(("", Signal.SIGKILL, true), (output, result.Status.Signal, result.KilledBySeccomp));
        Assert.Contains(told, result.ToString());
    }

    [Fact]
    public async Task The_session_keyring_is_the_container_s_own()
    {
        Host.NeedsTool("gcc");
        int? here = SessionKeyring.IdOfCurrentThread;
        Assert.SkipWhen(here is null, "needs a kernel with keys");
        using var directory = new TemporaryDirectory();
        string own = await Victim(directory, "session keyring", "").WithSeccompUnconfined().OutputAsync();
        string shared = await Victim(directory, "session keyring", "").WithSeccompUnconfined()
            .WithSecurity(s => s with { NewSessionKeyring = false }).OutputAsync();
        Assert.Equal((true, here.ToString()), (int.Parse(own) > 0 && own != shared, shared));
    }

    private static ContainerBuilder Victim(TemporaryDirectory directory, string attack, string capabilities)
    {
        string program = Path.Combine(directory.Path, "attack");
        if (!File.Exists(program))
        {
            (int code, string said) = Host.Run("gcc", "-w", "-O1", "-o", program, directory.Write("attack.c", Source));
            Assert.True(code == 0, said);
        }

        CapabilitySet set = CapabilitySet.Parse(capabilities).Union(CapabilitySet.DockerDefault);
        return Box.Builder("/mnt/attack", attack).AddMount(new Namespaces.BindMount(directory.Path, "/mnt")).WithCapabilities(set);
    }
}
