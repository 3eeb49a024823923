using System.Runtime.InteropServices;

namespace Isolation.Linux.Syscalls;

/// <summary>getrandom(2): needs no descriptor, no file and no library.</summary>
internal static unsafe class RandomSyscalls
{
    /// <summary>Fills a buffer with the kernel's random bytes. Waits for the kernel's pool early in its boot.</summary>
    internal static void Fill(Span<byte> buffer)
    {
        fixed (byte* start = buffer)
        {
            for (int filled = 0; filled < buffer.Length;)
            {
                nuint left = (nuint)(buffer.Length - filled);
                SyscallResult got = RawSyscall.InvokeRestarting(Syscall.getrandom, (nuint)(start + filled), left);
                got.ThrowIfError("make", "random bytes", "getrandom(2)");
                filled += (int)got.Value;
            }
        }
    }

    /// <summary>Random bytes.</summary>
    internal static byte[] Get(int count)
    {
        byte[] bytes = new byte[count];
        Fill(bytes);
        return bytes;
    }

    /// <summary>A random number of 64 bits.</summary>
    internal static ulong GetUInt64()
    {
        ulong number = 0;
        Fill(MemoryMarshal.AsBytes(new Span<ulong>(ref number)));
        return number;
    }
}
