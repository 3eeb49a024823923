using System.Collections.Immutable;
using System.Security.Cryptography;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Hands the listener of a container's filter to this process: sent over a socket once the filter is loaded.</summary>
/// <remarks>Whatever the filter says of sendmsg(2), and of prlimit64(2) after it, these calls pass: a filter sees all six registers, of which they use three or four, and the others hold a secret that the program never learns.</remarks>
internal sealed class ListenerSteps
{
    private const uint AF_UNIX = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;

    private static readonly ulong[] s_secret = [.. Enumerable.Range(0, 3).Select(_ => BitConverter.ToUInt64(RandomNumberGenerator.GetBytes(8)))];
    private static readonly ImmutableArray<SeccompRule> s_exemptions =
    [
        new("sendmsg", SeccompAction.Allow, [.. s_secret.Select((word, i) => SeccompCondition.Equal(3 + i, word))]),
        new("prlimit64", SeccompAction.Allow, [SeccompCondition.Equal(4, s_secret[1]), SeccompCondition.Equal(5, s_secret[2])]),
    ];

    private readonly Slot _send = new("listener-send"), _listener = new("listener");

    /// <summary>The parent's end of the socket.</summary>
    internal Slot Receive { get; } = new("listener-receive");

    /// <summary>Where the filter's step leaves the listener.</summary>
    internal Slot Listener => _listener;

    /// <summary>The filter with the listener let pass.</summary>
    internal static SeccompFilter LetPass(SeccompFilter filter) => filter.WithExemptions(s_exemptions);

    internal PlanStep OpenSocket()
    {
        StepArgument pair = StepArgument.DescriptorPair(Receive, _send);
        return new PlanStep("make a socket for", "the filter's listener",
            [new SyscallStep(Syscall.socketpair, StepArgument.Flags(AF_UNIX, "AF_UNIX"), StepArgument.Flags(SOCK_SEQPACKET | SOCK_CLOEXEC, "SOCK_SEQPACKET|SOCK_CLOEXEC"), 0, pair)]);
    }

    internal PlanStep Send() => new("hand over", "the filter's listener", [new SyscallStep(Syscall.sendmsg, _send, DescriptorMessage.Of(_listener), 0, Secret(0), Secret(1), Secret(2))]);

    /// <summary>Sets the limit of open files, which may leave no number for the listener, once that is gone.</summary>
    internal static PlanStep Limit(Rlimit files) => files.Step with { Calls = [.. files.Step.Calls.Select(c => new SyscallStep(c.Call, [.. c.Arguments, Secret(1), Secret(2)]))] };

    private static StepArgument Secret(int index) => StepArgument.Flags(s_secret[index], "secret");
}

/// <summary>A message that carries a descriptor: unix(7), <c>SCM_RIGHTS</c>.</summary>
internal static class DescriptorMessage
{
    // struct msghdr { name, namelen, iov, iovlen, control, controllen, flags } with one SCM_RIGHTS message whose descriptor is the slot
    internal static DataArgument Of(Slot descriptor)
    {
        var control = (DataArgument)StepArgument.Words("", 20, 1 | 1ul << 32, 0);
        control = control with { Slots = [(16, descriptor)] };
        StepArgument vector = ((DataArgument)StepArgument.Words("", 0, 1)) with { Pointers = [(0, StepArgument.Bytes([0], ""))] };
        var header = (DataArgument)StepArgument.Words($"{{control=[SCM_RIGHTS {descriptor}]}}", 0, 0, 0, 1, 0, 24, 0);
        return header with { Pointers = [(16, vector), (32, control)] };
    }
}
