using System.Collections.Immutable;
using System.Diagnostics;
using System.Text;
using System.Threading.Tasks.Sources;
using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>The socket of a connection to a bus. What arrives is read by the thread that waits for a reply, in <see cref="TryFinish"/>: no
/// thread pool, event loop or thread of its own is needed, so that none can hold a call up.</summary>
/// <remarks>It authenticates by itself, and to the library, which then does so too, it answers like a bus that accepts. The library tells
/// the bus its user's number; inside a user namespace that is another one than the bus sees, and the bus would refuse it. Here no number
/// is told: the bus takes the socket's own credentials (SO_PEERCRED), as for libsystemd's clients.</remarks>
internal sealed class BusStream : Stream, IValueTaskSource<int>
{
    private const int MaxLine = 512;

    // Where the library's continuation was put on another thread after all, this is how long it takes to see that.
    private static readonly TimeSpan s_slice = TimeSpan.FromMilliseconds(10);

    private readonly LinuxHandle _socket;
    private readonly Lock _gate = new();
    private ManualResetValueTaskSourceCore<int> _read;
    private Memory<byte> _buffer;
    private bool _isReading, _isAnswering, _hasBegun, _isClosed;

    private BusStream(LinuxHandle socket) => _socket = socket;

    public override bool CanRead => true;

    public override bool CanWrite => true;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Connects to the first socket that answers, and authenticates.</summary>
    /// <param name="sockets">The sockets' names.</param>
    /// <param name="bus">The bus, in errors: <c>the user's bus</c>.</param>
    /// <param name="limit">How long it may take with each, and each write later.</param>
    /// <param name="remedy">What to do where there is no bus.</param>
    /// <exception cref="LinuxException">There is no such bus, or it refuses this user: of the first socket.</exception>
    internal static BusStream Connect(ImmutableArray<byte[]> sockets, string bus, TimeSpan limit, string remedy)
    {
        LinuxException? first = null;
        foreach (byte[] name in sockets)
        {
            SyscallResult result = SocketSyscalls.Connect(name, limit);
            if (result.IsError)
            {
                Errno errno = result.Errno == Errno.EAGAIN ? Errno.ETIMEDOUT : result.Errno;
                first ??= new LinuxException("connect to", bus, "connect(2)", errno,
                    remedy: $"It is to listen at \"{Encoding.UTF8.GetString(name).Replace('\0', '@')}\". {remedy}");
                continue;
            }

            var stream = new BusStream(new LinuxHandle((int)result.Value));
            try
            {
                stream.Authenticate(bus, limit);
                return stream;
            }
            catch (LinuxException e)
            {
                stream.Dispose();
                first ??= e;
            }
        }

        throw first ?? new LinuxException("connect to", bus, "connect(2)", Errno.ENOENT, remedy: remedy);
    }

    /// <summary>Reads what arrives until a call has its reply; false where the time is over.</summary>
    internal bool TryFinish(Task call, TimeSpan limit)
    {
        // With one of the caller's own the library's continuations would be put on the thread pool.
        SynchronizationContext? context = SynchronizationContext.Current;
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            long begin = Stopwatch.GetTimestamp();
            while (!call.IsCompleted)
            {
                TimeSpan left = limit - Stopwatch.GetElapsedTime(begin);
                if (left <= TimeSpan.Zero)
                    return false;
                TimeSpan slice = left < s_slice ? left : s_slice;
                if (!_isReading)
                    ((IAsyncResult)call).AsyncWaitHandle.WaitOne(slice);
                else if (PollSyscalls.IsReadable(_socket, slice))
                    FinishRead();
            }

            return true;
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_isClosed, this);
            if (_isAnswering)
            {
                _isAnswering = false;
                "OK\r\n"u8.CopyTo(buffer.Span);
                return new ValueTask<int>(4);
            }

            _read.Reset();
            _buffer = buffer;
            _isReading = true;
            return new ValueTask<int>(this, _read.Version);
        }
    }

    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_hasBegun)
        {
            SyscallResult result = Send(buffer.Span);
            return result.IsError ? ValueTask.FromException(Failure("write(2)", result.Errno)) : ValueTask.CompletedTask;
        }

        // The handshake: a zero byte, AUTH, BEGIN.
        _isAnswering |= buffer.Span.StartsWith("AUTH "u8);
        _hasBegun = buffer.Span.SequenceEqual("BEGIN\r\n"u8);
        return ValueTask.CompletedTask;
    }

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    int IValueTaskSource<int>.GetResult(short token) => _read.GetResult(token);

    ValueTaskSourceStatus IValueTaskSource<int>.GetStatus(short token) => _read.GetStatus(token);

    void IValueTaskSource<int>.OnCompleted(Action<object?> continuation, object? state, short token,
        ValueTaskSourceOnCompletedFlags flags) => _read.OnCompleted(continuation, state, token, flags);

    protected override void Dispose(bool disposing)
    {
        bool wasReading;
        lock (_gate)
        {
            wasReading = _isReading;
            (_isReading, _isClosed) = (false, true);
        }

        _socket.Dispose();
        // The library's reader ends by it.
        if (wasReading)
            _read.SetException(new ObjectDisposedException(nameof(BusStream)));
        base.Dispose(disposing);
    }

    private void FinishRead()
    {
        SyscallResult result;
        lock (_gate)
        {
            if (!_isReading)
                return;
            result = FileSyscalls.Read(_socket, _buffer.Span);
            _isReading = false;
        }

        if (result.IsError)
            _read.SetException(Failure("read(2)", result.Errno));
        else
            _read.SetResult((int)result.Value);
    }

    /// <summary>The mechanism EXTERNAL, without a name: the bus asks for one by DATA, and gets none. See the D-Bus specification,
    /// "Authentication Protocol".</summary>
    private void Authenticate(string bus, TimeSpan limit)
    {
        SyscallResult sent = Send("\0AUTH EXTERNAL\r\nDATA\r\nBEGIN\r\n"u8);
        sent.ThrowIfError("authenticate at", bus, "write(2)");
        long begin = Stopwatch.GetTimestamp();
        string line;
        do
            line = ReadLine(bus, limit, begin);
        while (line == "DATA");
        if (line.StartsWith("REJECTED", StringComparison.Ordinal))
            throw new LinuxException("authenticate at", bus, "AUTH EXTERNAL", Errno.EACCES, remedy: "The bus refuses this user.");
        if (!line.StartsWith("OK", StringComparison.Ordinal))
            throw NoBus(bus);
    }

    /// <summary>Reads byte by byte: a message may follow the last line.</summary>
    private string ReadLine(string bus, TimeSpan limit, long begin)
    {
        Span<byte> line = stackalloc byte[MaxLine];
        int length = 0;
        while (length < MaxLine)
        {
            TimeSpan left = limit - Stopwatch.GetElapsedTime(begin);
            if (left <= TimeSpan.Zero || !PollSyscalls.IsReadable(_socket, left))
                throw new LinuxException("authenticate at", bus, "read(2)", Errno.ETIMEDOUT, remedy: "The bus did not answer in time.");
            SyscallResult result = FileSyscalls.Read(_socket, line.Slice(length, 1));
            result.ThrowIfError("authenticate at", bus, "read(2)");
            if (result.Value == 0)
                throw new LinuxException("authenticate at", bus, "read(2)", Errno.ECONNRESET, remedy: "The bus closed the connection.");
            if (line[length++] == '\n')
                return Encoding.ASCII.GetString(line[..length]).TrimEnd('\r', '\n');
        }

        throw NoBus(bus);
    }

    private static LinuxException NoBus(string bus) =>
        new("authenticate at", bus, "AUTH EXTERNAL", Errno.EBADMSG, remedy: "What listens there is not a bus.");

    private SyscallResult Send(ReadOnlySpan<byte> bytes)
    {
        SyscallResult result = default;
        while (!bytes.IsEmpty && !result.IsError)
        {
            result = FileSyscalls.Write(_socket, bytes);
            if (!result.IsError)
                bytes = bytes[(int)result.Value..];
        }

        return result;
    }

    private static IOException Failure(string call, Errno errno) => new($"{call}: {errno.Name()}", (int)errno);
}
