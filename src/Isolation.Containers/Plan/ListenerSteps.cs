using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Hands the listener of a container's filter to this process: sent over a socket once the filter is loaded.</summary>
/// <remarks>Whatever the filter says of sendmsg(2), and of prlimit64(2) after it, these calls pass: a filter sees all six registers,
/// of which they use three or four, and the others hold a secret that the program never learns.</remarks>
internal sealed class ListenerSteps
{
    private static readonly ulong[] s_secret = [RandomSyscalls.GetUInt64(), RandomSyscalls.GetUInt64(), RandomSyscalls.GetUInt64()];
    private static readonly ImmutableArray<SeccompRule> s_exemptions =
    [
        new("sendmsg", SeccompAction.Allow, [.. s_secret.Select((word, i) => SeccompCondition.Equal(3 + i, word))]),
        new("prlimit64", SeccompAction.Allow, [SeccompCondition.Equal(4, s_secret[1]), SeccompCondition.Equal(5, s_secret[2])]),
    ];

    private readonly DescriptorSocket _socket = new("listener");
    private readonly Slot _listener = new("listener");

    /// <summary>The parent's end of the socket.</summary>
    internal Slot Receive => _socket.Receive;

    /// <summary>Where the filter's step leaves the listener.</summary>
    internal Slot Listener => _listener;

    /// <summary>The filter with the listener let pass.</summary>
    internal static SeccompFilter LetPass(SeccompFilter filter) => filter.WithExemptions(s_exemptions);

    internal PlanStep OpenSocket() => _socket.Open("the filter's listener");

    internal PlanStep Send() => new("hand over", "the filter's listener", [_socket.Hand(_listener, Secret(0), Secret(1), Secret(2))]);

    /// <summary>Sets the limit of open files, which may leave no number for the listener, once that is gone.</summary>
    internal static PlanStep Limit(Rlimit files) =>
        files.Step with { Calls = [.. files.Step.Calls.Select(c => new SyscallStep(c.Call, [.. c.Arguments, Secret(1), Secret(2)]))] };

    private static StepArgument Secret(int index) => StepArgument.Flags(s_secret[index], "secret");
}
