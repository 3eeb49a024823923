using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Security;

/// <summary>What docs/seccomp.md says of strict mode, by the kernel's word: seccomp(2), SECCOMP_SET_MODE_STRICT.</summary>
public class StrictModeTests
{
    private static (int Enter, int Write, int ThreadExit, int ProcessId) Calls => // prctl, write, exit, getpid of asm/unistd.h
        System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture == System.Runtime.InteropServices.Architecture.Arm64
            ? (167, 64, 93, 172)
            : (157, 1, 60, 39);

    [Fact]
    public async Task A_program_without_a_filter_can_enter_it_by_itself()
    {
        (ContainerResult result, string output) = await Perl($"syscall({Calls.Write}, 1, $text, 7); syscall({Calls.ThreadExit}, 7);")
            .WithSeccompUnconfined().RunAndReadAsync();
        Assert.Equal((7, "strict\n"), (result.Status.Code, output));
        // Any other call ends it, and so does the end of a process: exit_group is none of the four.
        (ContainerResult other, _) = await Perl($"syscall({Calls.ProcessId}); syscall({Calls.ThreadExit}, 7);")
            .WithSeccompUnconfined().RunAndReadAsync();
        Assert.Equal((null, Signal.SIGKILL), (other.Status.Code, other.Status.Signal));
        (ContainerResult exits, _) = await Perl("exit 0;").WithSeccompUnconfined().RunAndReadAsync();
        Assert.Equal((null, Signal.SIGKILL), (exits.Status.Code, exits.Status.Signal));
    }

    [Fact]
    public async Task A_program_with_a_filter_cannot()
    {
        (ContainerResult result, string output) = await Perl("").RunAndReadAsync();
        Assert.Equal(22, result.Status.Code); // EINVAL
        Assert.Contains("Invalid argument", output);
    }

    private static ContainerBuilder Perl(string then)
    {
        Host.NeedsTool("perl");
        return Box.Builder("perl", "-e", $"my $text = \"strict\\n\"; syscall({Calls.Enter}, 22, 1, 0, 0, 0) == 0 or die $!; {then}");
    }
}
