using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Security;

/// <summary>A system call that waits for an answer: who makes it, with what, and its memory and descriptors.</summary>
/// <remarks>The caller may be killed while it waits, and its number may then be another process's: what is read here is only returned after
/// the kernel has said that the same call still waits (<c>SECCOMP_IOCTL_NOTIF_ID_VALID</c>). Memory can be changed by the caller's other
/// threads at any time: read it once.</remarks>
public sealed class SeccompNotification
{
    private readonly SeccompListener _listener;

    internal SeccompNotification(SeccompListener listener, ReadOnlySpan<byte> notification)
    {
        // struct seccomp_notif { u64 id; u32 pid, flags; struct seccomp_data { int nr; u32 arch; u64 ip, args[6]; } data; }
        _listener = listener;
        Id = BinaryPrimitives.ReadUInt64LittleEndian(notification);
        ThreadId = BinaryPrimitives.ReadInt32LittleEndian(notification[8..]);
        var arguments = new ulong[6];
        for (int i = 0; i < 6; i++)
            arguments[i] = BinaryPrimitives.ReadUInt64LittleEndian(notification[(32 + (i * 8))..]);
        Call = new SeccompCall(BinaryPrimitives.ReadUInt32LittleEndian(notification[20..]),
            BinaryPrimitives.ReadUInt32LittleEndian(notification[16..]),
            System.Runtime.InteropServices.ImmutableCollectionsMarshal.AsImmutableArray(arguments),
            BinaryPrimitives.ReadUInt64LittleEndian(notification[24..]));
    }

    /// <summary>The kernel's cookie of this wait.</summary>
    public ulong Id { get; }

    /// <summary>The calling thread, as seen in this process's PID namespace; 0 if it is not in it.</summary>
    public int ThreadId { get; }

    /// <summary>The call.</summary>
    public SeccompCall Call { get; }

    /// <summary>Whether the call still waits. It ends when the caller is killed or, unless the filter has
    /// <see cref="SeccompFlags.WaitKillableRecv"/>, when a signal arrives.</summary>
    public bool IsWaiting
    {
        get
        {
            try
            {
                return SeccompSyscalls.IsValid(_listener, Id);
            }
            catch (ObjectDisposedException)
            {
                return false; // with the listener, its calls have ended
            }
        }
    }

    /// <summary>Reads the caller's memory: process_vm_readv(2).</summary>
    /// <param name="address">Where it begins there.</param>
    /// <param name="buffer">What is filled.</param>
    /// <returns>How many bytes could be read.</returns>
    /// <exception cref="LinuxException"><c>EFAULT</c>: nothing is mapped there. <c>EPERM</c>: this process may not trace the caller.
    /// <c>ESRCH</c>: the call waits no longer.</exception>
    public int ReadMemory(ulong address, Span<byte> buffer)
    {
        SyscallResult result = SeccompSyscalls.ReadMemory(ThreadId, address, buffer);
        ThrowIfGone();
        result.ThrowIfError("read memory of", Text, "process_vm_readv(2)", "It needs the right to ptrace(2) the caller.");
        return (int)result.Value;
    }

    /// <summary>Reads text up to its NUL from the caller's memory.</summary>
    /// <param name="address">Where it begins there.</param>
    /// <param name="maximum">How many bytes are looked at.</param>
    /// <exception cref="LinuxException">As for <see cref="ReadMemory"/>; <c>ENAMETOOLONG</c>: no NUL within the maximum.</exception>
    public string ReadText(ulong address, int maximum = 4096)
    {
        byte[] buffer = new byte[maximum];
        int count = 0;
        while (count < maximum)
        {
            // Not across the end of a page: the next one need not be there.
            int piece = (int)Math.Min((ulong)(maximum - count), 4096 - ((address + (ulong)count) & 4095));
            int read = ReadMemory(address + (ulong)count, buffer.AsSpan(count, piece));
            int end = buffer.AsSpan(count, read).IndexOf((byte)0);
            if (end >= 0)
                return Encoding.UTF8.GetString(buffer, 0, count + end);
            count += read;
        }

        throw new LinuxException("read text of", Text, "process_vm_readv(2)", Errno.ENAMETOOLONG);
    }

    /// <summary>Writes to the caller's memory: process_vm_writev(2). For calls that return more than a number.</summary>
    /// <exception cref="LinuxException">As for <see cref="ReadMemory"/>.</exception>
    public void WriteMemory(ulong address, ReadOnlySpan<byte> bytes)
    {
        ThrowIfGone();
        SeccompSyscalls.WriteMemory(ThreadId, address, bytes)
            .ThrowIfError("write memory of", Text, "process_vm_writev(2)", "It needs the right to ptrace(2) the caller.");
        ThrowIfGone();
    }

    /// <summary>Takes a copy of a descriptor that the caller has: pidfd_getfd(2), since Linux 5.6.</summary>
    /// <exception cref="LinuxException"><c>EBADF</c>: it has none of that number. <c>EPERM</c>: this process may not trace the caller.
    /// <c>ESRCH</c>: the call waits no longer.</exception>
    public LinuxHandle GetDescriptor(int descriptor)
    {
        using PidHandle? process = PidHandle.TryOpen(ProcessId());
        ThrowIfGone();
        if (process is null)
            throw new LinuxException("open", Text, "pidfd_open(2)", Errno.ESRCH);
        SyscallResult result = SeccompSyscalls.GetDescriptor(process, descriptor);
        result.ThrowIfError("take descriptor", string.Create(CultureInfo.InvariantCulture, $"{descriptor} of {Text}"), "pidfd_getfd(2)");
        var copy = new LinuxHandle((int)result.Value);
        if (IsWaiting)
            return copy;
        copy.Dispose();
        throw new LinuxException("take descriptor", string.Create(CultureInfo.InvariantCulture, $"{descriptor} of {Text}"),
            "pidfd_getfd(2)", Errno.ESRCH);
    }

    /// <summary>Puts a copy of a descriptor into the caller, which goes on waiting:
    /// <c>SECCOMP_IOCTL_NOTIF_ADDFD</c>, since Linux 5.9.</summary>
    /// <param name="descriptor">What is copied.</param>
    /// <param name="target">The number there, which is replaced; null lets the kernel choose.</param>
    /// <param name="closeOnExec">Whether execve(2) closes it.</param>
    /// <returns>The number there.</returns>
    /// <exception cref="LinuxException"><c>ENOENT</c>: the call waits no longer. <c>EMFILE</c>: the caller has too many.</exception>
    public int AddDescriptor(LinuxHandle descriptor, int? target = null, bool closeOnExec = true)
    {
        ArgumentNullException.ThrowIfNull(descriptor);
        SyscallResult result = SeccompSyscalls.AddDescriptor(_listener, Id, descriptor,
            target is null ? 0 : SeccompAbi.SECCOMP_ADDFD_FLAG_SETFD, (uint)(target ?? 0),
            closeOnExec ? Fcntl.O_CLOEXEC : 0);
        result.ThrowIfError("add a descriptor to", Text, "ioctl(2)");
        return (int)result.Value;
    }

    /// <summary>The process of the calling thread, from /proc/TID/status.</summary>
    /// <exception cref="LinuxException"><c>ESRCH</c>: the call waits no longer.</exception>
    public int ProcessId()
    {
        string? status = TextFile.ReadIfAllowed(string.Create(CultureInfo.InvariantCulture, $"/proc/{ThreadId}/status"));
        foreach (string line in TextFile.Lines(status ?? ""))
        {
            if (line.StartsWith("Tgid:", StringComparison.Ordinal))
            {
                int id = int.Parse(line.AsSpan(5), CultureInfo.InvariantCulture);
                ThrowIfGone();
                return id;
            }
        }

        throw new LinuxException("find the process of", Text, "open(2)", Errno.ESRCH);
    }

    private string Text => string.Create(CultureInfo.InvariantCulture, $"thread {ThreadId}");

    /// <inheritdoc/>
    public override string ToString() => $"{Text}: {Call}";

    internal SyscallResult Answer(SeccompReply reply)
    {
        if (reply.Descriptor is not { } descriptor)
            return SeccompSyscalls.Send(_listener, Id, reply.Value, -(int)reply.Error,
                reply.Continues ? SeccompAbi.SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0);
        SyscallResult result;
        using (descriptor)
            result = descriptor.IsClosed ? new SyscallResult(-(long)Errno.EBADF) : SeccompSyscalls.AddDescriptor(_listener, Id, descriptor,
                SeccompAbi.SECCOMP_ADDFD_FLAG_SEND, 0, reply.CloseOnExec ? Fcntl.O_CLOEXEC : 0);
        // What cannot be added, since the caller has too many, is told to it.
        return result.IsError && result.Errno != Errno.ENOENT ? SeccompSyscalls.Send(_listener, Id, 0, -(int)result.Errno, 0) : result;
    }

    private void ThrowIfGone()
    {
        if (!IsWaiting)
            throw new LinuxException("look at", Text, "ioctl(2)", Errno.ESRCH,
                remedy: "Its call waits no longer: it was killed or interrupted.");
    }
}
