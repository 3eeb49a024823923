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

    /// <summary>A call whose first argument is a descriptor, which stays open until the call has returned.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    internal static SyscallResult Invoke(Syscall call, SafeHandle file, nuint a1 = 0, nuint a2 = 0, nuint a3 = 0,
        nuint a4 = 0, nuint a5 = 0)
    {
        using Borrow lent = new(file);
        return Invoke(call, lent.Word, a1, a2, a3, a4, a5);
    }

    /// <summary>The same, repeated where a signal interrupted it.</summary>
    /// <exception cref="ObjectDisposedException">The handle is closed.</exception>
    internal static SyscallResult InvokeRestarting(Syscall call, SafeHandle file, nuint a1 = 0, nuint a2 = 0, nuint a3 = 0, nuint a4 = 0)
    {
        using Borrow lent = new(file);
        return InvokeRestarting(call, lent.Word, a1, a2, a3, a4);
    }

    [LibraryImport("libc", SetLastError = true)]
    private static partial nint syscall(nint number, nuint a0, nuint a1, nuint a2, nuint a3, nuint a4, nuint a5);
}
