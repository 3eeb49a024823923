using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Net;

/// <summary>The interface <c>lo</c> of a network namespace. It exists from the start, and is down until it is set up.</summary>
public static class Loopback
{
    private const uint AF_INET = 2, SOCK_DGRAM = 2, SOCK_CLOEXEC = 0x80000, SIOCSIFFLAGS = 0x8914;
    private const byte IFF_UP = 1;

    /// <summary>Sets <c>lo</c> up in the calling thread's network namespace, which gives it 127.0.0.1 and ::1.</summary>
    /// <remarks>ioctl(2) <c>SIOCSIFFLAGS</c>; the same as <c>ip link set lo up</c>. See netdevice(7).</remarks>
    /// <exception cref="Linux.LinuxException"><c>EPERM</c>: needs <c>CAP_NET_ADMIN</c> in the user
    /// namespace that owns the network.</exception>
    public static void SetUp() => ManagedInterpreter.Run(UpStep());

    internal static PlanStep UpStep()
    {
        Slot socket = new("socket");
        return new PlanStep("set up interface", "\"lo\"",
        [
            new SyscallStep(Syscall.socket, StepArgument.Flags(AF_INET, "AF_INET"),
                StepArgument.Flags(SOCK_DGRAM | SOCK_CLOEXEC, "SOCK_DGRAM|SOCK_CLOEXEC"), 0) { Result = socket },
            new SyscallStep(Syscall.ioctl, socket, StepArgument.Flags(SIOCSIFFLAGS, "SIOCSIFFLAGS"), UpRequest),
            new SyscallStep(Syscall.close, socket),
        ])
        {
            Hint = errno => errno == Errno.EPERM
                ? "It needs CAP_NET_ADMIN in the user namespace that owns the network: start this program, or the container that it is in, "
                    + "with --cap-add NET_ADMIN." : null,
        };
    }

    // struct ifreq: char ifr_name[16]; short ifr_flags; 40 bytes in all
    private static StepArgument UpRequest
    {
        get
        {
            Span<byte> request = stackalloc byte[40];
            request.Clear();
            "lo"u8.CopyTo(request);
            request[16] = IFF_UP;
            return StepArgument.Bytes(request, "{ifr_name=\"lo\", ifr_flags=IFF_UP}");
        }
    }
}
