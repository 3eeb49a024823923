using System.Buffers.Binary;
using System.Diagnostics;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Syscalls;

namespace Isolation.Net.Netlink;

/// <summary>A netlink socket: requests with acknowledgements, batches, and dumps.
/// It stays in the network namespace that it was opened in.</summary>
/// <remarks>Not for several threads at once. See netlink(7).</remarks>
public sealed partial class NetlinkSocket : IDisposable
{
    // The kernel fills a list's datagrams to 32 KiB where there is room for that.
    private const int MaxDumpAttempts = 20, DumpBuffer = 64 * 1024;

    // What the kernel counts beside the message itself.
    private const uint SendOverhead = 4096;

    private const uint AF_NETLINK = 16, SOCK_RAW = 3, SOCK_CLOEXEC = 0x80000;

    private readonly LinuxHandle _handle;
    private readonly bool _fromKernel;
    private byte[] _buffer = new byte[8 * 1024];
    private uint _sequence = (uint)Environment.TickCount;
    private bool _truncated, _bound;

    internal NetlinkSocket(LinuxHandle handle, NetlinkProtocol protocol, bool fromKernel = true)
    {
        _handle = handle;
        Protocol = protocol;
        _fromKernel = fromKernel;
        Timeout = TimeSpan.FromSeconds(10);
    }

    /// <summary>The family.</summary>
    public NetlinkProtocol Protocol { get; }

    /// <summary>How long a reply may take;
    /// then <see cref="NetlinkException"/> with <c>ETIMEDOUT</c>. 10 seconds unless it is set.</summary>
    public TimeSpan Timeout
    {
        get;
        set
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(value, TimeSpan.FromMilliseconds(1));
            field = value;
            NetlinkSyscalls.SetReceiveTimeout(_handle, value);
        }
    }

    internal LinuxHandle Handle => _handle;

    /// <summary>Opens a socket.</summary>
    /// <param name="protocol">The family.</param>
    /// <param name="networkNamespace">The network namespace: a descriptor of it, or a pidfd of a process in it (since Linux 5.8); null for
    /// the caller's. The calling thread stays where it is: a thread that ends at once goes there, or, to a container of an ordinary user, a
    /// child.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static NetlinkSocket Open(NetlinkProtocol protocol, LinuxHandle? networkNamespace = null) =>
        Prepare(OpenHandle(protocol, networkNamespace), protocol);

    private static LinuxHandle OpenHandle(NetlinkProtocol protocol, LinuxHandle? networkNamespace)
    {
        try
        {
            return OpenFrom(protocol, networkNamespace);
        }
        catch (LinuxException e) when (e.Errno == Errno.EPERM && e.Call == "setns(2)"
            && NetworkNamespace.FindOwner(networkNamespace!) is { } owner)
        {
            // An ordinary user's own container: its user namespace is this user's.
            using (owner.User)
            using (owner.Network)
            {
                try
                {
                    return NamespaceSocket.Open(owner.User, owner.Network, AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, (uint)protocol);
                }
                catch (LinuxException)
                {
                    // It is somebody else's after all: the first refusal says so.
                }
            }

            throw;
        }
    }

    private static LinuxHandle OpenFrom(NetlinkProtocol protocol,
        LinuxHandle? networkNamespace) => NetworkNamespace.Run(networkNamespace, () =>
        {
            SyscallResult result = NetlinkSyscalls.Socket((uint)protocol);
            result.ThrowIfError("open", $"a netlink socket of NETLINK_{protocol.ToString().ToUpperInvariant()}", "socket(2)",
                result.Errno == Errno.EPROTONOSUPPORT ? "The kernel lacks this family, or a seccomp filter refuses it." : null);
            return new LinuxHandle((int)result.Value);
        });

    internal static NetlinkSocket Prepare(LinuxHandle handle, NetlinkProtocol protocol)
    {
        NetlinkSyscalls.SetBuffers(handle, send: 1 << 20, receive: 1 << 20);
        NetlinkSyscalls.SetOption(handle, NetlinkAbi.NETLINK_EXT_ACK, 1);
        NetlinkSyscalls.SetOption(handle, NetlinkAbi.NETLINK_CAP_ACK, 1);
        NetlinkSyscalls.SetOption(handle, NetlinkAbi.NETLINK_GET_STRICT_CHK, 1);
        return new NetlinkSocket(handle, protocol);
    }

    /// <summary>Sends the one message of a writer and waits for its acknowledgement. What it answers is passed to the reader.</summary>
    /// <param name="request">The message.</param>
    /// <param name="action">What it does, for errors: a verb phrase.</param>
    /// <param name="subject">What it is done to, for errors; made text only then.</param>
    /// <param name="state">Passed to the reader.</param>
    /// <param name="reader">Gets each message of the answer; null ignores them.</param>
    /// <exception cref="NetlinkException">The kernel refused it.</exception>
    public void Execute<TState>(NetlinkWriter request, string action, object subject, TState state, NetlinkMessageReader<TState>? reader)
    {
        ArgumentNullException.ThrowIfNull(request);
        do
        {
            _truncated = false;
            uint first = Number(request.Raw, _sequence + 1, acknowledge: true);
            Send(request.Raw, action, subject);
            long deadline = Deadline();
            while (!ReadAcknowledgement(request.Raw, first, action, subject, deadline, state, reader))
            {
            }
        }
        while (_truncated); // asked again, with room enough
    }

    /// <summary>Sends the one message of a writer and waits for its acknowledgement.</summary>
    /// <inheritdoc cref="Execute{TState}" path="/exception"/>
    public void Execute(NetlinkWriter request, string action, object subject) => Execute<object?>(request, action, subject, null, null);

    /// <summary>Asks for a list. An interrupted list, one that changed while it was read, is asked for again.</summary>
    /// <param name="request">The one message; <c>NLM_F_DUMP</c> is added.</param>
    /// <param name="action">What it does, for errors.</param>
    /// <param name="subject">What it is done to, for errors.</param>
    /// <param name="state">Passed to the reader.</param>
    /// <param name="begin">Called before each attempt: what an interrupted one has given is forgotten.</param>
    /// <param name="reader">Gets each message.</param>
    /// <exception cref="NetlinkException">The kernel refused it. <c>EINTR</c>: it changed too often.</exception>
    public void Dump<TState>(NetlinkWriter request, string action, object subject, TState state, Action<TState> begin,
        NetlinkMessageReader<TState> reader)
    {
        ArgumentNullException.ThrowIfNull(request);
        ArgumentNullException.ThrowIfNull(begin);
        ArgumentNullException.ThrowIfNull(reader);
        if (_buffer.Length < DumpBuffer)
            _buffer = new byte[DumpBuffer];
        for (int attempt = 0; attempt < MaxDumpAttempts; attempt++)
        {
            begin(state);
            _truncated = false;
            uint sequence = Number(request.Raw, _sequence + 1, acknowledge: false);
            Send(request.Raw, action, subject);
            long deadline = Deadline();
            bool interrupted = false;
            while (!ReadDump(request.Raw, sequence, action, subject, deadline, state, reader, ref interrupted))
            {
            }

            if (!interrupted && !_truncated)
                return;
        }

        throw new NetlinkException(action, subject.ToString()!, NameOf(request.Raw), Errno.EINTR,
            remedy: $"It changed while it was read, {MaxDumpAttempts} times in a row.");
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _handle.Dispose();

    /// <summary>Joins a multicast group, for a monitor.</summary>
    internal void Join(uint group)
    {
        // Without a port of its own a socket is taken for the kernel's, which is not told what it does itself.
        if (!_bound)
            NetlinkSyscalls.Bind(_handle).ThrowIfError("bind", "a netlink socket", "bind(2)");
        _bound = true;
        NetlinkSyscalls.SetOption(_handle, NetlinkAbi.NETLINK_ADD_MEMBERSHIP, group)
            .ThrowIfError("join", $"multicast group {group}", "setsockopt(2) NETLINK_ADD_MEMBERSHIP");
    }

    /// <summary>Receives one datagram; empty where none is there and none is waited for.</summary>
    internal ReadOnlySpan<byte> Receive(string action, object subject, bool wait = true)
    {
        while (true)
        {
            SyscallResult result = NetlinkSyscalls.Receive(_handle, _buffer, wait, out uint sender);
            if (result.Errno == Errno.EAGAIN)
                return wait
                    ? throw new NetlinkException(action, subject.ToString()!, "recvmsg(2)", Errno.ETIMEDOUT,
                        remedy: "No reply came in time.")
                    : [];
            if (result.IsError)
                throw new NetlinkException(action, subject.ToString()!, "recvmsg(2)", result.Errno,
                    remedy: result.Errno == Errno.ENOBUFS ? "Messages were lost: the socket's queue was full." : null);
            // Any process may send to a netlink socket; only the kernel is believed.
            if (_fromKernel && sender != 0)
                continue;
            if (result.Value > _buffer.Length)
            {
                _truncated = true;
                _buffer = new byte[BinaryLength(result.Value)];
                continue;
            }

            return result.Value > 0 ? _buffer.AsSpan(0, (int)result.Value) : throw NetlinkException.Malformed("The other end was closed.");
        }
    }

    /// <summary>Takes the next message off a datagram.</summary>
    internal static ReadOnlySpan<byte> Next(ref ReadOnlySpan<byte> datagram)
    {
        int length = LengthAt(datagram, 0);
        ReadOnlySpan<byte> message = datagram[..length];
        datagram = datagram[Math.Min(NetlinkWriter.Align(length), datagram.Length)..];
        return message;
    }

    internal static int LengthAt(ReadOnlySpan<byte> datagram, int at)
    {
        ReadOnlySpan<byte> rest = datagram[at..];
        uint length = rest.Length < NetlinkWriter.HeaderLength ? 0 : BinaryPrimitives.ReadUInt32LittleEndian(rest);
        return length >= NetlinkWriter.HeaderLength && length <= rest.Length
            ? (int)length
            : throw NetlinkException.Malformed($"A message says that it has {length} bytes, of {rest.Length}.");
    }

    internal static ushort TypeOf(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16LittleEndian(message[4..]);

    internal static ushort FlagsOf(ReadOnlySpan<byte> message) => BinaryPrimitives.ReadUInt16LittleEndian(message[6..]);

    internal static uint SequenceOf(ReadOnlySpan<byte> message) =>
        BinaryPrimitives.ReadUInt32LittleEndian(message[NetlinkWriter.SequenceOffset..]);

    /// <summary>Whether a socket of generic netlink is WireGuard's: what its errors mean depends on the family.</summary>
    internal bool IsWireguard { get; set; }

    internal string NameOf(ReadOnlySpan<byte> request) => IsWireguard
        ? MessageNames.OfWireguard(request)
        : MessageNames.Of(Protocol, TypeOf(request));

    private string? HintOf(ReadOnlySpan<byte> request, Errno errno, ExtendedAck ack) =>
        IsWireguard ? NetlinkHints.OfWireguard(errno) : NetlinkHints.Of(Protocol, TypeOf(request), errno, ack);

    internal void Send(ReadOnlySpan<byte> messages, string action, object subject)
    {
        SyscallResult sent = NetlinkSyscalls.Send(_handle, messages);
        // A transaction is one datagram, and may be large: as much room as it takes, where this process may have it.
        if (sent.Errno == Errno.EMSGSIZE)
        {
            NetlinkSyscalls.SetSendBuffer(_handle, (uint)messages.Length + SendOverhead);
            sent = NetlinkSyscalls.Send(_handle, messages);
        }

        if (sent.IsError)
            throw new NetlinkException(action, subject.ToString()!, "sendmsg(2)", sent.Errno, remedy: sent.Errno == Errno.EMSGSIZE
                ? $"The request has {messages.Length} bytes, more than the socket may send at once (net.core.wmem_max)."
                : null);
    }

    /// <summary>Numbers messages, and makes them requests; returns the first number.</summary>
    internal uint Number(Span<byte> messages, uint first, bool acknowledge)
    {
        uint sequence = first;
        for (int at = 0; at < messages.Length; at += LengthAt(messages, at))
        {
            BinaryPrimitives.WriteUInt16LittleEndian(messages[(at + 6)..],
                (ushort)(FlagsOf(messages[at..]) | NetlinkAbi.NLM_F_REQUEST
                    | (acknowledge ? NetlinkAbi.NLM_F_ACK : NetlinkAbi.NLM_F_DUMP)));
            BinaryPrimitives.WriteUInt32LittleEndian(messages[(at + NetlinkWriter.SequenceOffset)..], sequence++);
        }

        _sequence = sequence;
        return first;
    }

    /// <summary>Numbers the messages of a transaction, of which only the last but the frame's end is acknowledged;
    /// returns the first number, the frame's.</summary>
    internal uint Number(Span<byte> messages, int acknowledged)
    {
        uint first = _sequence + 1;
        int at = 0;
        for (int i = 0; at < messages.Length; i++, at += LengthAt(messages, at))
        {
            BinaryPrimitives.WriteUInt16LittleEndian(messages[(at + 6)..],
                (ushort)(FlagsOf(messages[at..]) | NetlinkAbi.NLM_F_REQUEST | (i == acknowledged ? NetlinkAbi.NLM_F_ACK : 0)));
            BinaryPrimitives.WriteUInt32LittleEndian(messages[(at + NetlinkWriter.SequenceOffset)..], first + (uint)i);
            _sequence = first + (uint)i;
        }

        return first;
    }

    internal long Deadline() => Stopwatch.GetTimestamp() + (long)(Timeout.TotalSeconds * Stopwatch.Frequency);

    internal static void CheckDeadline(long deadline, string action, object subject)
    {
        if (Stopwatch.GetTimestamp() > deadline)
            throw new NetlinkException(action, subject.ToString()!, "recvmsg(2)", Errno.ETIMEDOUT,
                remedy: "The reply did not end in time.");
    }

    private bool ReadAcknowledgement<TState>(ReadOnlySpan<byte> request, uint sequence, string action, object subject, long deadline,
        TState state, NetlinkMessageReader<TState>? reader)
    {
        ReadOnlySpan<byte> datagram = Receive(action, subject);
        bool done = false;
        while (!datagram.IsEmpty)
        {
            ReadOnlySpan<byte> message = Next(ref datagram);
            if (SequenceOf(message) != sequence)
                continue;
            ReadOnlySpan<byte> payload = message[NetlinkWriter.HeaderLength..];
            if (TypeOf(message) == NetlinkAbi.NLMSG_ERROR)
            {
                if (ExtendedAck.ReadErrno(payload) != Errno.None)
                    throw Refused(message, request, action, subject);
                done = true;
            }
            else if (TypeOf(message) >= NetlinkAbi.NLMSG_MIN_TYPE && !_truncated)
            {
                reader?.Invoke(TypeOf(message), payload, state);
            }
        }

        CheckDeadline(deadline, action, subject);
        return done;
    }

    private NetlinkException Refused(ReadOnlySpan<byte> message, ReadOnlySpan<byte> request, string action, object subject)
    {
        (Errno errno, ExtendedAck ack) = ExtendedAck.Read(message[NetlinkWriter.HeaderLength..], FlagsOf(message), request, Protocol);
        return new NetlinkException(action, subject.ToString()!, NameOf(request), errno, ack, HintOf(request, errno, ack));
    }

    private bool ReadDump<TState>(ReadOnlySpan<byte> request, uint sequence, string action, object subject, long deadline, TState state,
        NetlinkMessageReader<TState> reader, ref bool interrupted)
    {
        ReadOnlySpan<byte> datagram = Receive(action, subject);
        while (!datagram.IsEmpty)
        {
            ReadOnlySpan<byte> message = Next(ref datagram);
            if (SequenceOf(message) != sequence)
                continue;
            interrupted |= (FlagsOf(message) & NetlinkAbi.NLM_F_DUMP_INTR) != 0;
            ReadOnlySpan<byte> payload = message[NetlinkWriter.HeaderLength..];
            switch (TypeOf(message))
            {
                case NetlinkAbi.NLMSG_DONE:
                    // Its payload is an error number, and what the kernel says of it.
                    if (payload.Length >= 4 && ExtendedAck.ReadErrno(payload) is not Errno.None and Errno errno)
                        throw new NetlinkException(action, subject.ToString()!, NameOf(request), errno,
                            (FlagsOf(message) & NetlinkAbi.NLM_F_ACK_TLVS) != 0
                                ? ExtendedAck.ReadAttributes(payload[4..], request, Protocol)
                                : default, HintOf(request, errno, default));
                    return true;
                case NetlinkAbi.NLMSG_ERROR:
                    if (ExtendedAck.ReadErrno(payload) != Errno.None)
                        throw Refused(message, request, action, subject);
                    return true;
                case >= NetlinkAbi.NLMSG_MIN_TYPE when !interrupted && !_truncated:
                    reader(TypeOf(message), payload, state);
                    break;
            }
        }

        CheckDeadline(deadline, action, subject);
        return false;
    }

    private static int BinaryLength(long length) => length <= 1 << 28
        ? (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)length)
        : throw NetlinkException.Malformed($"A message has {length} bytes.");
}
