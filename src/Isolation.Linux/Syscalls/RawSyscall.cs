using System.Runtime.InteropServices;

namespace Isolation.Linux.Syscalls;

/// <summary>The one door to the kernel for managed code: syscall(2) with up to six words.</summary>
internal static unsafe partial class RawSyscall
{
    internal static SyscallResult Invoke(Syscall call, nuint a0 = 0, nuint a1 = 0, nuint a2 = 0, nuint a3 = 0, nuint a4 = 0, nuint a5 = 0)
        => InvokeNumber(SyscallNumber.Native(call), a0, a1, a2, a3, a4, a5);

    internal static SyscallResult InvokeNumber(nint number, nuint a0, nuint a1, nuint a2, nuint a3, nuint a4, nuint a5)
    {
        nint value = syscall(number, a0, a1, a2, a3, a4, a5);
        return new SyscallResult(value == -1 ? -Marshal.GetLastPInvokeError() : value);
    }

    /// <summary>Repeats a call that a signal interrupted.</summary>
    internal static SyscallResult InvokeRestarting(Syscall call, nuint a0 = 0, nuint a1 = 0, nuint a2 = 0, nuint a3 = 0, nuint a4 = 0)
    {
        SyscallResult result;
        do
        {
            result = Invoke(call, a0, a1, a2, a3, a4);
        }
        while (result.Errno == Errno.EINTR);
        return result;
    }

    internal static nuint Word(LinuxHandle? handle) => handle is null ? unchecked((nuint)(nint)(-1)) : (nuint)(nint)handle.Descriptor;

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nuint a0, nuint a1, nuint a2, nuint a3, nuint a4, nuint a5);
}
