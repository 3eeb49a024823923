using System.Runtime.InteropServices;

namespace Isolation.Linux.Syscalls;

internal static partial class SyscallNumber
{
    /// <summary>Returns the number of a call on an architecture.</summary>
    /// <exception cref="PlatformNotSupportedException">The architecture has no such call, or is not supported.</exception>
    internal static int Of(Syscall call, Architecture architecture)
    {
        short number = architecture switch
        {
            Architecture.X64 => X64[(int)call],
            Architecture.Arm64 => Arm64[(int)call],
            _ => throw new PlatformNotSupportedException($"Isolation supports x86-64 and arm64, not {architecture}."),
        };
        return number >= 0 ? number : throw new PlatformNotSupportedException($"{architecture} has no system call {call}.");
    }

    /// <summary>The number on the running architecture.</summary>
    internal static int Native(Syscall call) => Of(call, RuntimeInformation.ProcessArchitecture);
}
