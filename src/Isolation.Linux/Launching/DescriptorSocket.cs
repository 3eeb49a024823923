using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Launching;

/// <summary>A socket by which the child hands a descriptor to this process: unix(7), <c>SCM_RIGHTS</c>.</summary>
internal sealed class DescriptorSocket(string name)
{
    private const uint AF_UNIX = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;

    private readonly Slot _send = new(name + "-send");

    /// <summary>The parent's end.</summary>
    internal Slot Receive { get; } = new(name + "-receive");

    internal PlanStep Open(string subject) => new("make a socket for", subject,
        [new SyscallStep(Syscall.socketpair, StepArgument.Flags(AF_UNIX, "AF_UNIX"), StepArgument.Flags(SOCK_SEQPACKET | SOCK_CLOEXEC,
            "SOCK_SEQPACKET|SOCK_CLOEXEC"), 0, StepArgument.DescriptorPair(Receive, _send))]);

    /// <summary>Sends a descriptor, with words in the registers that the call does not use.</summary>
    internal SyscallStep Hand(Slot descriptor, params ReadOnlySpan<StepArgument> unused) => Hand(_send, descriptor, unused);

    /// <summary>Sends a descriptor over a socket.</summary>
    internal static SyscallStep Hand(StepArgument socket, Slot descriptor, params ReadOnlySpan<StepArgument> unused) =>
        new(Syscall.sendmsg, [socket, Message(descriptor), 0, .. unused]);

    /// <summary>Sends one or two descriptors, with as many words beside them.</summary>
    internal SyscallStep HandAll(ReadOnlySpan<Slot> descriptors, ReadOnlySpan<Slot> words)
    {
        string named = string.Join(", ", descriptors.ToArray().AsEnumerable());
        var control = (DataArgument)StepArgument.Words("", 16 + (4 * (ulong)descriptors.Length), 1 | 1ul << 32, 0);
        control = control with { Slots = [.. descriptors.ToArray().Select((d, i) => (16 + (4 * i), d))] };
        var data = (DataArgument)StepArgument.Words("", new ulong[words.Length]);
        data = data with { Slots = [.. words.ToArray().Select((w, i) => (8 * i, w))] };
        StepArgument vector = ((DataArgument)StepArgument.Words("", 0, 8 * (ulong)words.Length)) with { Pointers = [(0, data)] };
        var header = (DataArgument)StepArgument.Words(
            $"{{data=[{string.Join(", ", words.ToArray().AsEnumerable())}], control=[SCM_RIGHTS {named}]}}", 0, 0, 0, 1, 0, 24, 0);
        return new SyscallStep(Syscall.sendmsg, _send, header with { Pointers = [(16, vector), (32, control)] }, 0);
    }

    // struct msghdr { name, namelen, iov, iovlen, control, controllen, flags } with one SCM_RIGHTS message whose descriptor is the slot
    private static DataArgument Message(Slot descriptor)
    {
        var control = (DataArgument)StepArgument.Words("", 20, 1 | 1ul << 32, 0);
        control = control with { Slots = [(16, descriptor)] };
        StepArgument vector = ((DataArgument)StepArgument.Words("", 0, 1)) with { Pointers = [(0, StepArgument.Bytes([0], ""))] };
        var header = (DataArgument)StepArgument.Words($"{{control=[SCM_RIGHTS {descriptor}]}}", 0, 0, 0, 1, 0, 24, 0);
        return header with { Pointers = [(16, vector), (32, control)] };
    }
}
