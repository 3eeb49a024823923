using System.Buffers.Binary;
using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>Lowers capability sets to steps, for a new process or the current thread.</summary>
internal static class CapabilitySteps
{
    private const uint _LINUX_CAPABILITY_VERSION_3 = 0x20080522;

    /// <summary>Drops everything but a set from the bounding set. Needs CAP_SETPCAP.</summary>
    /// <param name="keep">What stays.</param>
    /// <param name="known">What the kernel knows; the rest cannot be dropped.</param>
    internal static PlanStep? LimitBounding(CapabilitySet keep, CapabilitySet known)
    {
        ImmutableArray<Capability> dropped = [.. known.Except(keep).Enumerate()];
        return dropped.IsEmpty ? null : new PlanStep("limit the bounding set to", keep.ToString(),
            [.. dropped.Select(c => new SyscallStep(Syscall.prctl,
                StepArgument.Flags(Prctl.PR_CAPBSET_DROP, "PR_CAPBSET_DROP"), StepArgument.Flags((ulong)c, CapabilitySet.KernelName(c))))])
        {
            Hint = errno => errno == Errno.EPERM ? "Dropping from the bounding set needs CAP_SETPCAP." : null,
        };
    }

    /// <summary>Sets permitted, effective and inheritable at once.</summary>
    internal static PlanStep Set(CapabilitySet permitted, CapabilitySet effective, CapabilitySet inheritable) =>
        new("set the capabilities to", effective.ToString(),
        [
            new SyscallStep(Syscall.capset, Header, Data(permitted, effective, inheritable)),
        ])
        {
            Hint = errno => errno == Errno.EPERM
                ? "A capability can only be kept, not gained: it is missing from this process's permitted set."
                : null,
        };

    /// <summary>Keeps the permitted set when the user id changes from 0 to another. Since Linux 2.2; cleared by execve.</summary>
    internal static PlanStep KeepAcrossUserChange() => new("keep the capabilities across", "the change of user",
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_KEEPCAPS, "PR_SET_KEEPCAPS"), 1)]);

    /// <summary>Makes the ambient set exactly the given one. Since Linux 4.3.</summary>
    internal static PlanStep SetAmbient(CapabilitySet ambient) => new("set the ambient capabilities to", ambient.ToString(),
        [
            AmbientCall(Prctl.PR_CAP_AMBIENT_CLEAR_ALL, "PR_CAP_AMBIENT_CLEAR_ALL", 0),
            .. ambient.Enumerate().Select(c => AmbientCall(Prctl.PR_CAP_AMBIENT_RAISE, "PR_CAP_AMBIENT_RAISE",
                StepArgument.Flags((ulong)c, CapabilitySet.KernelName(c)))),
        ]);

    internal static PlanStep SetSecurebits(Securebits bits) => new("set the securebits to", bits.ToString(),
        [new SyscallStep(Syscall.prctl, StepArgument.Flags(Prctl.PR_SET_SECUREBITS, "PR_SET_SECUREBITS"),
            StepArgument.Flags((ulong)bits, bits.ToString()))])
    {
        Hint = errno => errno == Errno.EPERM ? "It needs CAP_SETPCAP, and the bits that change must not be locked." : null,
    };

    private static SyscallStep AmbientCall(int operation, string name, StepArgument capability) => new(Syscall.prctl,
        StepArgument.Flags(Prctl.PR_CAP_AMBIENT, "PR_CAP_AMBIENT"), StepArgument.Flags((ulong)operation, name), capability, 0, 0);

    // struct __user_cap_header_struct { u32 version; int pid; }
    private static StepArgument Header => StepArgument.Words("{version=3, pid=0}", _LINUX_CAPABILITY_VERSION_3);

    // struct __user_cap_data_struct { u32 effective, permitted, inheritable; } [2]: low words, then high words
    private static StepArgument Data(CapabilitySet permitted, CapabilitySet effective, CapabilitySet inheritable)
    {
        Span<byte> data = stackalloc byte[24];
        for (int half = 0; half < 2; half++)
        {
            BinaryPrimitives.WriteUInt32LittleEndian(data[(half * 12)..], (uint)(effective.Bits >> (half * 32)));
            BinaryPrimitives.WriteUInt32LittleEndian(data[((half * 12) + 4)..], (uint)(permitted.Bits >> (half * 32)));
            BinaryPrimitives.WriteUInt32LittleEndian(data[((half * 12) + 8)..], (uint)(inheritable.Bits >> (half * 32)));
        }

        return StepArgument.Bytes(data,
            $"{{effective=0x{effective.Bits:x}, permitted=0x{permitted.Bits:x}, inheritable=0x{inheritable.Bits:x}}}");
    }
}
