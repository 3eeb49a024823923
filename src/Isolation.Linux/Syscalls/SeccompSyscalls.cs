using Isolation.Linux.Abi;

namespace Isolation.Linux.Syscalls;

/// <summary>The listener of a filter, and the memory and descriptors of the processes that wait at it: seccomp_unotify(2).</summary>
internal static unsafe class SeccompSyscalls
{
    /// <summary>Room for <c>struct seccomp_notif</c>, 80 bytes, which later kernels may extend.</summary>
    internal const int NotificationSize = 256;

    /// <summary>Receives a call into a buffer of <see cref="NotificationSize"/>. <c>ENOENT</c>: the caller was interrupted or has ended
    /// meanwhile. <c>EINTR</c>: this thread got a signal; to wait again could be to wait for a caller that has ended.</summary>
    internal static SyscallResult Receive(LinuxHandle listener, Span<byte> notification)
    {
        notification.Clear(); // the kernel insists
        fixed (byte* pointer = notification)
            return RawSyscall.Invoke(Syscall.ioctl, listener, SeccompAbi.SECCOMP_IOCTL_NOTIF_RECV, (nuint)pointer);
    }

    /// <summary>Answers a call.</summary>
    internal static SyscallResult Send(LinuxHandle listener, ulong id, long value, int error, uint flags)
    {
        // struct seccomp_notif_resp { u64 id; s64 val; s32 error; u32 flags; }
        long* response = stackalloc long[4];
        (response[0], response[1], response[3]) = ((long)id, value, 0);
        ((int*)response)[4] = error;
        ((uint*)response)[5] = flags;
        return FileSyscalls.Ioctl(listener, SeccompAbi.SECCOMP_IOCTL_NOTIF_SEND, (nuint)response);
    }

    internal static bool IsValid(LinuxHandle listener, ulong id) =>
        !FileSyscalls.Ioctl(listener, SeccompAbi.SECCOMP_IOCTL_NOTIF_ID_VALID, (nuint)(&id)).IsError;

    /// <summary>Puts a copy of a descriptor into the caller. The result is its number there.</summary>
    internal static SyscallResult AddDescriptor(LinuxHandle listener, ulong id, LinuxHandle descriptor, uint flags,
        uint target, uint descriptorFlags)
    {
        // struct seccomp_notif_addfd { u64 id; u32 flags, srcfd, newfd, newfd_flags; }
        using Borrow source = new(descriptor);
        ulong* request = stackalloc ulong[3];
        (request[0], request[1], request[2]) = (id, flags | ((ulong)(uint)source.Number << 32), target | ((ulong)descriptorFlags << 32));
        return FileSyscalls.Ioctl(listener, SeccompAbi.SECCOMP_IOCTL_NOTIF_ADDFD, (nuint)request);
    }

    /// <summary>Wakes the caller on this processor: faster where both take turns. Since Linux 6.6; without effect before.</summary>
    internal static void WakeSynchronously(LinuxHandle listener) =>
        FileSyscalls.Ioctl(listener, SeccompAbi.SECCOMP_IOCTL_NOTIF_SET_FLAGS, SeccompAbi.SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP);

    internal static SyscallResult ReadMemory(int processId, ulong address, Span<byte> buffer) =>
        Transfer(Syscall.process_vm_readv, processId, address, buffer);

    internal static SyscallResult WriteMemory(int processId, ulong address, ReadOnlySpan<byte> buffer) =>
        Transfer(Syscall.process_vm_writev, processId, address, buffer);

    /// <summary>Takes a copy of a descriptor of another process: pidfd_getfd(2), since Linux 5.6.</summary>
    internal static SyscallResult GetDescriptor(LinuxHandle process, int descriptor) =>
        RawSyscall.Invoke(Syscall.pidfd_getfd, process, (nuint)descriptor, 0);

    /// <summary>Connects a socket to an address in the kernel's form.</summary>
    internal static SyscallResult Connect(LinuxHandle socket, ReadOnlySpan<byte> address)
    {
        fixed (byte* pointer = address)
            return RawSyscall.InvokeRestarting(Syscall.connect, socket, (nuint)pointer, (nuint)address.Length);
    }

    private static SyscallResult Transfer(Syscall call, int processId, ulong address, ReadOnlySpan<byte> buffer)
    {
        fixed (byte* pointer = buffer)
        {
            ulong* vectors = stackalloc ulong[4];
            (vectors[0], vectors[1], vectors[2], vectors[3]) = ((ulong)pointer, (ulong)buffer.Length, address, (ulong)buffer.Length);
            return RawSyscall.Invoke(call, (nuint)processId, (nuint)vectors, 1, (nuint)(vectors + 2), 1, 0);
        }
    }
}
