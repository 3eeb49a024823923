using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>bpf(2) for programs that are attached to control groups.</summary>
/// <remarks>The attribute block is always as large as the largest kernel's and zeroed:
/// some kernels wrote query results behind a shorter one.</remarks>
internal static unsafe class BpfSyscalls
{
    private const int AttributeSize = 256;

    /// <summary>Loads a program. On a refusal the verifier's words are in the log.</summary>
    internal static SyscallResult Load(uint type, ReadOnlySpan<byte> instructions, string name, out string log)
    {
        const int LogSize = 64 * 1024;
        byte* attribute = stackalloc byte[AttributeSize];
        byte[] buffer = new byte[LogSize];
        byte[] encodedName = Encoding.ASCII.GetBytes(name);
        SyscallResult result;
        fixed (byte* code = instructions, text = buffer, license = "GPL\0"u8)
        {
            // Asked for its words only after a refusal: the log costs time, and a full one is an error of its own.
            for (int attempt = 0; ; attempt++)
            {
                new Span<byte>(attribute, AttributeSize).Clear();
                *(uint*)attribute = type;
                *(uint*)(attribute + 4) = (uint)instructions.Length / 8;
                *(ulong*)(attribute + 8) = (ulong)code;
                *(ulong*)(attribute + 16) = (ulong)license;
                if (attempt > 0)
                {
                    *(uint*)(attribute + 24) = 1;             // log_level
                    *(uint*)(attribute + 28) = LogSize;       // log_size
                    *(ulong*)(attribute + 32) = (ulong)text;  // log_buf
                }

                encodedName.AsSpan(0, Math.Min(15, encodedName.Length)).CopyTo(new Span<byte>(attribute + 48, 15)); // prog_name
                result = Call(Bpf.BPF_PROG_LOAD, attribute);
                // EAGAIN: the verifier was interrupted by a signal.
                if (result.Errno != Errno.EAGAIN && (!result.IsError || attempt > 0 || result.Errno == Errno.EPERM))
                    break;
            }
        }

        int end = Array.IndexOf(buffer, (byte)0);
        log = Encoding.UTF8.GetString(buffer, 0, Math.Max(0, end));
        return result;
    }

    /// <summary>Attaches a program to a control group, in the place of another where one is given: no moment is without.</summary>
    internal static SyscallResult Attach(int cgroup, LinuxHandle program, uint attachType, LinuxHandle? replaced)
    {
        using Borrow attached = new(program), other = new(replaced ?? program);
        byte* attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        *(int*)attribute = cgroup;
        *(int*)(attribute + 4) = attached.Number;
        *(uint*)(attribute + 8) = attachType;
        *(uint*)(attribute + 12) = Bpf.BPF_F_ALLOW_MULTI | (replaced is null ? 0 : Bpf.BPF_F_REPLACE);
        *(int*)(attribute + 16) = replaced is null ? 0 : other.Number;
        return Call(Bpf.BPF_PROG_ATTACH, attribute);
    }

    internal static SyscallResult Detach(LinuxHandle cgroup, LinuxHandle program, uint attachType)
    {
        using Borrow group = new(cgroup), detached = new(program);
        byte* attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        *(int*)attribute = group.Number;
        *(int*)(attribute + 4) = detached.Number;
        *(uint*)(attribute + 8) = attachType;
        return Call(Bpf.BPF_PROG_DETACH, attribute);
    }

    /// <summary>The ids of the programs attached to a control group itself.</summary>
    internal static SyscallResult Query(LinuxHandle cgroup, uint attachType, Span<uint> ids, out int count)
    {
        using Borrow group = new(cgroup);
        byte* attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        fixed (uint* found = ids)
        {
            *(int*)attribute = group.Number;
            *(uint*)(attribute + 4) = attachType;
            *(ulong*)(attribute + 16) = (ulong)found;
            *(uint*)(attribute + 24) = (uint)ids.Length;
            SyscallResult result = Call(Bpf.BPF_PROG_QUERY, attribute);
            count = *(int*)(attribute + 24);
            return result;
        }
    }

    internal static SyscallResult OpenById(uint id)
    {
        byte* attribute = stackalloc byte[AttributeSize];
        new Span<byte>(attribute, AttributeSize).Clear();
        *(uint*)attribute = id;
        return Call(Bpf.BPF_PROG_GET_FD_BY_ID, attribute);
    }

    private static SyscallResult Call(uint command, byte* attribute) =>
        RawSyscall.Invoke(Syscall.bpf, command, (nuint)attribute, AttributeSize);
}
