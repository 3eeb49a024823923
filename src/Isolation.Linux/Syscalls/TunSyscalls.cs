using System.Runtime.InteropServices;
using System.Text;
using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>The ioctls of /dev/net/tun.</summary>
internal static unsafe class TunSyscalls
{
    private const int NameLength = 16, RequestLength = 40;

    internal static SyscallResult Ioctl(SafeHandle file, uint request, uint value) =>
        RawSyscall.Invoke(Syscall.ioctl, file, request, value);

    /// <summary>Makes the link, and returns the name that it has got.</summary>
    internal static (SyscallResult Result, string Name) SetInterface(SafeHandle file, string name, ushort flags)
    {
        // struct ifreq { char name[16]; short flags; ... }
        byte* request = stackalloc byte[RequestLength];
        new Span<byte>(request, RequestLength).Clear();
        Encoding.UTF8.GetBytes(name, new Span<byte>(request, NameLength - 1));
        *(ushort*)(request + NameLength) = flags;
        SyscallResult result = RawSyscall.Invoke(Syscall.ioctl, file, IfTun.TUNSETIFF, (nuint)request);
        return (result, Encoding.UTF8.GetString(MemoryMarshal.CreateReadOnlySpanFromNullTerminated(request)));
    }
}
