using System.Runtime.InteropServices;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.MachineCode;

/// <summary>The stub of the running architecture in executable memory, mapped once for the life of the process.</summary>
/// <remarks>A sealed memfd mapped read-execute is never writable, so it also works under memory-deny-write-execute; where
/// memfd_create is refused, anonymous memory is written and then turned read-execute.</remarks>
internal static unsafe class ExecutableCode
{
    private const nuint ProtRead = 1, ProtWrite = 2, ProtExec = 4, MapPrivate = 2, MapAnonymous = 0x20;

    internal static Stub Stub { get; } = Stub.For(RuntimeInformation.ProcessArchitecture);

    /// <summary>The same for a sealed image.</summary>
    internal static Stub ImageStub { get; } = Stub.For(RuntimeInformation.ProcessArchitecture, forImage: true);

    private static readonly byte* s_address = Map(Stub.Code);

    /// <summary>Clones with the context's arguments and runs its steps in the child; the calling thread waits as vfork does.</summary>
    /// <returns>The child's id, or a negative errno. Blocks: the GC transition is not suppressed.</returns>
    internal static long Launch(void* context) => ((delegate* unmanaged[Cdecl]<void*, long>)(s_address + Stub.LaunchOffset))(context);

    private static byte* Map(byte[] code)
    {
        nuint size = (nuint)(code.Length + 4095) & ~(nuint)4095;
        SyscallResult file = MemoryFile.Create("isolation-stub");
        if (!file.IsError)
        {
            using var handle = new LinuxHandle((int)file.Value);
            if (MemoryFile.Write(handle, 0, code) && !MemoryFile.Seal(handle).IsError)
            {
                using Borrow lent = new(handle);
                SyscallResult mapped = RawSyscall.Invoke(Syscall.mmap, 0, size, ProtRead | ProtExec, MapPrivate, lent.Word, 0);
                if (!mapped.IsError)
                    return (byte*)mapped.Value;
            }
        }

        SyscallResult memory = RawSyscall.Invoke(Syscall.mmap, 0, size, ProtRead | ProtWrite, MapPrivate | MapAnonymous, nuint.MaxValue, 0);
        memory.ThrowIfError("map memory for", "the launch code", "mmap(2)");
        code.CopyTo(new Span<byte>((void*)memory.Value, code.Length));
        RawSyscall.Invoke(Syscall.mprotect, (nuint)memory.Value, size, ProtRead | ProtExec)
            .ThrowIfError("make executable", "the launch code", "mprotect(2)",
                "Executable memory is forbidden to this process (memory-deny-write-execute, SELinux execmem); "
                    + "allow memfd_create or lift it.");
        return (byte*)memory.Value;
    }
}
