using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Lowers a filter to a step.</summary>
internal static class SeccompSteps
{
    /// <summary>Loads a filter. With a slot, a listener's descriptor is left there.</summary>
    internal static PlanStep Load(SeccompFilter filter, Slot? listener = null)
    {
        SeccompProgram program = filter.Compile();
        uint flags = Flags(filter, listener is null ? 0 : SeccompAbi.SECCOMP_FILTER_FLAG_NEW_LISTENER);
        return new PlanStep("load", string.Create(CultureInfo.InvariantCulture,
            $"a seccomp filter of {filter.Rules.Length} rules, {program.Instructions.Length} instructions"),
            [Call(program, flags) with { Result = listener }])
        {
            Hint = Hint,
        };
    }

    /// <summary>The flags of loading. Without a listener no call is received, and the kernel refuses <c>WAIT_KILLABLE_RECV</c>.</summary>
    internal static uint Flags(SeccompFilter filter, uint added)
    {
        bool listens = (added & SeccompAbi.SECCOMP_FILTER_FLAG_NEW_LISTENER) != 0;
        return added | (uint)(listens ? filter.Flags : filter.Flags & ~SeccompFlags.WaitKillableRecv);
    }

    /// <summary>The flag by which a received call waits out all but deadly signals, where a kernel has it.</summary>
    internal static SeccompFlags KillableWait(KernelVersion kernel) =>
        kernel < new KernelVersion(5, 19) ? SeccompFlags.None : SeccompFlags.WaitKillableRecv;

    internal static SyscallStep Call(SeccompProgram program, uint flags) =>
        new(Syscall.seccomp, StepArgument.Flags(SeccompAbi.SECCOMP_SET_MODE_FILTER, "SECCOMP_SET_MODE_FILTER"),
            StepArgument.Flags(flags, Names(flags)), Fprog(program));

    internal static string? Hint(Errno errno) => errno switch
    {
        Errno.EACCES => "Without CAP_SYS_ADMIN the no_new_privs bit must be set first.",
        Errno.EINVAL => "The kernel has no seccomp filters, or lacks an action or flag of this one: "
            + "user notify came with 5.0, WAIT_KILLABLE_RECV with 5.19.",
        Errno.EBUSY => "The process has a listener already, and there can be one only.",
        Errno.ENOMEM => "The filters of a process have at most 32768 instructions together, each counted with 4 more.",
        Errno.ENOSYS => "An outer filter refuses seccomp(2).",
        _ => null,
    };

    // struct sock_fprog { u16 len; struct sock_filter *filter; }
    private static DataArgument Fprog(SeccompProgram program)
    {
        byte[] bytes = program.ToBytes();
        var head = new byte[16];
        System.Buffers.Binary.BinaryPrimitives.WriteUInt16LittleEndian(head, (ushort)program.Instructions.Length);
        string text = string.Create(CultureInfo.InvariantCulture, $"{{len={program.Instructions.Length}, filter}}");
        return new DataArgument(text, [.. head]) { Pointers = [(8, StepArgument.Bytes(bytes, "filter"))] };
    }

    private static string Names(uint flags)
    {
        var names = new List<string>();
        foreach ((uint flag, string name) in new[]
        {
            (SeccompAbi.SECCOMP_FILTER_FLAG_TSYNC, "TSYNC"), (SeccompAbi.SECCOMP_FILTER_FLAG_LOG, "LOG"),
            (SeccompAbi.SECCOMP_FILTER_FLAG_SPEC_ALLOW, "SPEC_ALLOW"),
            (SeccompAbi.SECCOMP_FILTER_FLAG_NEW_LISTENER, "NEW_LISTENER"),
            (SeccompAbi.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, "WAIT_KILLABLE_RECV"),
        })
        {
            if ((flags & flag) != 0)
                names.Add("SECCOMP_FILTER_FLAG_" + name);
        }

        return names.Count == 0 ? "0" : string.Join('|', names);
    }
}
