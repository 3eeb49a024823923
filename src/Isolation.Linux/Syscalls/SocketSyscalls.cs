using System.Runtime.InteropServices;

namespace Isolation.Linux.Syscalls;

/// <summary>Sockets of unix(7): connections, and descriptors that come over them (<c>SCM_RIGHTS</c>).</summary>
internal static unsafe class SocketSyscalls
{
    private const uint MSG_CMSG_CLOEXEC = 0x40000000, MSG_DONTWAIT = 0x40, MSG_CTRUNC = 8;
    private const uint AF_UNIX = 1, SOCK_STREAM = 1, SOCK_CLOEXEC = 0x80000, SOL_SOCKET = 1, SO_SNDTIMEO = 21;
    private const int MaxName = 108;

    /// <summary>Connects a stream socket.</summary>
    /// <param name="name">The socket's path, or a zero byte and an abstract name.</param>
    /// <param name="limit">How long connecting, and each write later, may take.</param>
    /// <returns>The descriptor, close-on-exec; <c>EAGAIN</c> where the time was over.</returns>
    internal static SyscallResult Connect(ReadOnlySpan<byte> name, TimeSpan limit)
    {
        bool isPath = name.IsEmpty || name[0] != 0;
        if (name.Length + (isPath ? 1 : 0) > MaxName)
            return new SyscallResult(-(long)Errno.ENAMETOOLONG);
        SyscallResult made = RawSyscall.Invoke(Syscall.socket, AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC);
        if (made.IsError)
            return made;
        long* time = stackalloc long[2];
        (time[0], time[1]) = ((long)limit.TotalSeconds, limit.Ticks % TimeSpan.TicksPerSecond / TimeSpan.TicksPerMicrosecond);
        byte* address = stackalloc byte[2 + MaxName];
        new Span<byte>(address, 2 + MaxName).Clear();
        *(ushort*)address = (ushort)AF_UNIX;
        name.CopyTo(new Span<byte>(address + 2, MaxName));
        SyscallResult result = RawSyscall.Invoke(Syscall.setsockopt, (nuint)made.Value, SOL_SOCKET, SO_SNDTIMEO, (nuint)time, 16);
        if (!result.IsError)
        {
            result = RawSyscall.InvokeRestarting(Syscall.connect, (nuint)made.Value, (nuint)address,
                (nuint)(2 + name.Length + (isPath ? 1 : 0)));
        }

        if (!result.IsError)
            return made;
        RawSyscall.Invoke(Syscall.close, (nuint)made.Value);
        return result;
    }

    /// <summary>Receives one message with one descriptor, close-on-exec. It must have arrived: others may hold the sending end too,
    /// so no end of file would end a wait.</summary>
    /// <returns>The descriptor; <c>EMFILE</c> where this process had no number left for it.</returns>
    internal static SyscallResult ReceiveDescriptor(LinuxHandle socket)
    {
        byte data;
        ulong* control = stackalloc ulong[4];
        ulong* vector = stackalloc ulong[2];
        (vector[0], vector[1]) = ((ulong)(&data), 1);
        ulong* header = stackalloc ulong[7];
        (header[0], header[1], header[2], header[3], header[4], header[5], header[6]) = (0, 0, (ulong)vector, 1, (ulong)control, 32, 0);
        SyscallResult result = RawSyscall.InvokeRestarting(Syscall.recvmsg, socket, (nuint)header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
        if (result.IsError)
            return result;
        // struct cmsghdr { u64 len; i32 level; i32 type; } then the descriptor
        return header[5] >= 20 && control[0] == 20 && control[1] == (1 | 1ul << 32)
            ? new SyscallResult((int)control[2])
            : new SyscallResult(-(long)((header[6] & MSG_CTRUNC) != 0 ? Errno.EMFILE : Errno.ENOMSG));
    }

    /// <summary>Receives one message of words with up to two descriptors, close-on-exec.</summary>
    /// <param name="socket">The socket.</param>
    /// <param name="words">Gets the words.</param>
    /// <param name="descriptors">Gets the descriptors, and becomes as long as there are:
    /// fewer than were sent where this process has no room for them.</param>
    /// <returns>How many bytes the words have; <c>EAGAIN</c> where none has arrived.</returns>
    internal static SyscallResult ReceiveDescriptors(LinuxHandle socket, Span<long> words, ref Span<int> descriptors)
    {
        ulong* control = stackalloc ulong[4];
        ulong* vector = stackalloc ulong[2];
        ulong* header = stackalloc ulong[7];
        fixed (long* data = words)
        {
            (vector[0], vector[1]) = ((ulong)data, (ulong)words.Length * 8);
            (header[0], header[1], header[2], header[3], header[4], header[5], header[6]) = (0, 0, (ulong)vector, 1, (ulong)control, 32, 0);
            SyscallResult result = RawSyscall.InvokeRestarting(Syscall.recvmsg, socket, (nuint)header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
            bool present = !result.IsError && header[5] >= 20 && control[1] == (1 | 1ul << 32);
            descriptors = descriptors[..(present ? ((int)control[0] - 16) / 4 : 0)];
            new ReadOnlySpan<int>(control + 2, descriptors.Length).CopyTo(descriptors);
            return result;
        }
    }
}

/// <summary>Terminals: ioctl_tty(2).</summary>
internal static unsafe class TerminalSyscalls
{
    private const uint TIOCSWINSZ = 0x5414, TIOCGWINSZ = 0x5413, TCGETS = 0x5401, TCSETS = 0x5402;
    private const int TermiosSize = 64;

    internal static SyscallResult SetWindowSize(SafeHandle terminal, ushort rows, ushort columns)
    {
        ushort* size = stackalloc ushort[4];
        (size[0], size[1], size[2], size[3]) = (rows, columns, 0, 0);
        return RawSyscall.Invoke(Syscall.ioctl, terminal, TIOCSWINSZ, (nuint)size);
    }

    internal static SyscallResult GetWindowSize(int descriptor, out ushort rows, out ushort columns)
    {
        ushort* size = stackalloc ushort[4];
        SyscallResult result = RawSyscall.Invoke(Syscall.ioctl, (nuint)descriptor, TIOCGWINSZ, (nuint)size);
        (rows, columns) = result.IsError ? ((ushort)0, (ushort)0) : (size[0], size[1]);
        return result;
    }

    /// <summary>Reads the kernel's struct termios; null where the descriptor is not a terminal.</summary>
    internal static byte[]? GetAttributes(int descriptor)
    {
        var attributes = new byte[TermiosSize];
        fixed (byte* pointer = attributes)
            return RawSyscall.Invoke(Syscall.ioctl, (nuint)descriptor, TCGETS, (nuint)pointer).IsError ? null : attributes;
    }

    internal static SyscallResult SetAttributes(int descriptor, byte[] attributes)
    {
        fixed (byte* pointer = attributes)
            return RawSyscall.Invoke(Syscall.ioctl, (nuint)descriptor, TCSETS, (nuint)pointer);
    }
}
