namespace Isolation.Linux.Syscalls;

/// <summary>Netlink sockets: netlink(7). Their messages are datagrams.</summary>
internal static unsafe class NetlinkSyscalls
{
    private const uint AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0x80000, MSG_DONTWAIT = 0x40, MSG_TRUNC = 0x20,
        SOL_NETLINK = 270, SOL_SOCKET = 1;
    private const uint SO_SNDBUF = 7, SO_RCVBUF = 8, SO_RCVTIMEO = 20, SO_SNDBUFFORCE = 32, SO_RCVBUFFORCE = 33;

    internal static SyscallResult Socket(uint protocol) => RawSyscall.Invoke(Syscall.socket, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);

    /// <summary>Binds a socket to a port number that the kernel chooses.</summary>
    internal static SyscallResult Bind(LinuxHandle socket)
    {
        // struct sockaddr_nl { u16 family; u16 pad; u32 pid; u32 groups; }
        uint* address = stackalloc uint[3];
        (address[0], address[1], address[2]) = (AF_NETLINK, 0, 0);
        return RawSyscall.Invoke(Syscall.bind, socket, (nuint)address, 12);
    }

    internal static SyscallResult SetOption(LinuxHandle socket, uint option, uint value) =>
        SetOption(socket, SOL_NETLINK, option, &value, 4);

    /// <summary>How long a read waits before it fails with EAGAIN.</summary>
    internal static SyscallResult SetReceiveTimeout(LinuxHandle socket, TimeSpan timeout)
    {
        long* time = stackalloc long[2];
        (time[0], time[1]) = ((long)timeout.TotalSeconds, timeout.Ticks % TimeSpan.TicksPerSecond / 10);
        return SetOption(socket, SOL_SOCKET, SO_RCVTIMEO, time, 16);
    }

    /// <summary>Sets the sizes of both queues, beyond the host's limit where this process may.</summary>
    internal static void SetBuffers(LinuxHandle socket, uint send, uint receive)
    {
        if (SetOption(socket, SOL_SOCKET, SO_RCVBUFFORCE, &receive, 4).IsError)
            SetOption(socket, SOL_SOCKET, SO_RCVBUF, &receive, 4);
        SetSendBuffer(socket, send);
    }

    /// <summary>Sets how much may be sent at once, beyond the host's limit where this process may.</summary>
    internal static void SetSendBuffer(LinuxHandle socket, uint send)
    {
        if (SetOption(socket, SOL_SOCKET, SO_SNDBUFFORCE, &send, 4).IsError)
            SetOption(socket, SOL_SOCKET, SO_SNDBUF, &send, 4);
    }

    internal static SyscallResult Send(LinuxHandle socket, ReadOnlySpan<byte> message)
    {
        fixed (byte* pointer = message)
            return RawSyscall.InvokeRestarting(Syscall.write, socket, (nuint)pointer, (nuint)message.Length);
    }

    /// <summary>Receives one datagram; the result is its true length, which may be more than the buffer's.
    /// The sender is a port number: 0 is the kernel's.</summary>
    internal static SyscallResult Receive(LinuxHandle socket, Span<byte> buffer, bool wait, out uint sender)
    {
        uint* address = stackalloc uint[3];
        (address[0], address[1], address[2]) = (0, 0, 0);
        uint length = 12;
        uint flags = MSG_TRUNC | (wait ? 0 : MSG_DONTWAIT);
        SyscallResult result;
        fixed (byte* pointer = buffer)
        {
            do
            {
                result = RawSyscall.Invoke(Syscall.recvfrom, socket, (nuint)pointer, (nuint)buffer.Length, flags,
                    (nuint)address, (nuint)(&length));
            }
            while (result.Errno == Errno.EINTR);
        }

        sender = address[1];
        return result;
    }

    private static SyscallResult SetOption(LinuxHandle socket, uint level, uint option, void* value, uint length) =>
        RawSyscall.Invoke(Syscall.setsockopt, socket, level, option, (nuint)value, length);
}
