using System.Buffers.Binary;
using Isolation.Linux;
using Isolation.Linux.Syscalls;
using Isolation.Net.Netlink;

namespace Isolation.Net.Tests;

/// <summary>A kernel of the test's own at the other end of a socket: it answers each datagram as it is told.</summary>
internal sealed unsafe class FakePeer : IDisposable
{
    private const uint AF_UNIX = 1, SOCK_SEQPACKET = 5, SOCK_CLOEXEC = 0x80000;

    private readonly LinuxHandle _end;
    private readonly Thread _thread;

    /// <param name="protocol">The family.</param>
    /// <param name="answer">Gets a request and gives the datagrams to answer with; null closes the socket.</param>
    internal FakePeer(NetlinkProtocol protocol, Func<byte[], IEnumerable<byte[]>?> answer)
    {
        int* pair = stackalloc int[2];
        RawSyscall.Invoke(Syscall.socketpair, AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, (nuint)pair)
            .ThrowIfError("make", "a pair", "socketpair(2)");
        Socket = new NetlinkSocket(new LinuxHandle(pair[0]), protocol, fromKernel: false) { Timeout = TimeSpan.FromSeconds(10) };
        _end = new LinuxHandle(pair[1]);
        _thread = new Thread(() => Serve(answer)) { IsBackground = true };
        _thread.Start();
    }

    internal NetlinkSocket Socket { get; }

    public void Dispose()
    {
        Socket.Dispose();
        _thread.Join(2000);
        _end.Dispose();
    }

    internal static uint SequenceOf(byte[] request) => BinaryPrimitives.ReadUInt32LittleEndian(request.AsSpan(8));

    /// <summary>A message: header and payload.</summary>
    internal static byte[] Message(ushort type, ushort flags, uint sequence, params ReadOnlySpan<byte> payload)
    {
        var message = new byte[16 + payload.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, message.Length);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(4), type);
        BinaryPrimitives.WriteUInt16LittleEndian(message.AsSpan(6), flags);
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(8), sequence);
        payload.CopyTo(message.AsSpan(16));
        return message;
    }

    /// <summary>An acknowledgement, with what the kernel adds.</summary>
    internal static byte[] Ack(uint sequence, Errno errno, params ReadOnlySpan<byte> attributes)
    {
        var payload = new byte[20 + attributes.Length];
        BinaryPrimitives.WriteInt32LittleEndian(payload, -(int)errno);
        BinaryPrimitives.WriteInt32LittleEndian(payload.AsSpan(4), 16);
        BinaryPrimitives.WriteUInt32LittleEndian(payload.AsSpan(12), sequence);
        attributes.CopyTo(payload.AsSpan(20));
        return Message(2, attributes.IsEmpty ? (ushort)0x100 : (ushort)0x300, sequence, payload);
    }

    internal static byte[] Attribute(ushort type, params ReadOnlySpan<byte> value)
    {
        var attribute = new byte[(4 + value.Length + 3) & ~3];
        BinaryPrimitives.WriteUInt16LittleEndian(attribute, (ushort)(4 + value.Length));
        BinaryPrimitives.WriteUInt16LittleEndian(attribute.AsSpan(2), type);
        value.CopyTo(attribute.AsSpan(4));
        return attribute;
    }

    private void Serve(Func<byte[], IEnumerable<byte[]>?> answer)
    {
        var buffer = new byte[1 << 20];
        while (FileSyscalls.Read(_end, buffer) is { Value: > 0 } length)
        {
            if (answer(buffer[..(int)length.Value]) is not { } datagrams)
            {
                RawSyscall.Invoke(Syscall.shutdown, _end, 2);
                return;
            }

            foreach (byte[] datagram in datagrams)
            {
                if (NetlinkSyscalls.Send(_end, datagram).IsError)
                    return;
            }
        }
    }
}
