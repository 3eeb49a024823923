using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>Sealed files in memory: memfd_create(2).</summary>
internal static unsafe class MemoryFile
{
    internal static SyscallResult Create(string name, bool executable = true)
    {
        var text = new CString(name);
        fixed (byte* pointer = text.Bytes)
        {
            // Said outright since vm.memfd_noexec makes it matter; kernels before 6.3 refuse the flags.
            SyscallResult result = RawSyscall.Invoke(Syscall.memfd_create, (nuint)pointer,
                Fcntl.MFD_CLOEXEC | Fcntl.MFD_ALLOW_SEALING | (executable ? Fcntl.MFD_EXEC : Fcntl.MFD_NOEXEC_SEAL));
            return result.Errno == Errno.EINVAL
                ? RawSyscall.Invoke(Syscall.memfd_create, (nuint)pointer, Fcntl.MFD_CLOEXEC | Fcntl.MFD_ALLOW_SEALING)
                : result;
        }
    }

    internal static bool Write(LinuxHandle file, long offset, ReadOnlySpan<byte> content)
    {
        fixed (byte* pointer = content)
            return RawSyscall.Invoke(Syscall.pwrite64, file, (nuint)pointer, (nuint)content.Length, (nuint)offset).Value == content.Length;
    }

    internal static SyscallResult Seal(LinuxHandle file) => RawSyscall.Invoke(Syscall.fcntl, file, Fcntl.F_ADD_SEALS,
        Fcntl.F_SEAL_SEAL | Fcntl.F_SEAL_SHRINK | Fcntl.F_SEAL_GROW | Fcntl.F_SEAL_WRITE);
}
