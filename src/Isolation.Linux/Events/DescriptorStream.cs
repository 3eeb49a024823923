using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Linux.Events;

/// <summary>Reads and writes a pipe's or a terminal's end that belongs to this process alone. What waits holds no thread: the one watcher
/// serves all.</summary>
/// <remarks>The end becomes non-blocking; a pipe's other end, and a terminal's other side, are file descriptions of their own and stay as
/// they are.
/// A wait ends at once when it is cancelled or the stream is closed. Bytes that a cancelled write had written already stay
/// written.</remarks>
internal sealed class DescriptorStream : Stream
{
    private readonly LinuxHandle _handle;
    private readonly FileAccess _access;
    private readonly string _subject;
    private readonly Lock _gate = new();
    private readonly List<Waiter> _waiters = [];
    private long _watch = -1;
    private bool _closed;

    /// <summary>Takes the handle over, also where it throws.</summary>
    /// <exception cref="LinuxException">It cannot be made non-blocking.</exception>
    internal DescriptorStream(LinuxHandle handle, FileAccess access, string subject)
    {
        (_handle, _access, _subject) = (handle, access, subject);
        SyscallResult result = RawSyscall.InvokeRestarting(Syscall.fcntl, handle, Fcntl.F_SETFL, Fcntl.O_NONBLOCK);
        if (result.IsError)
            handle.Dispose();
        result.ThrowIfError("open", subject, "fcntl(2)");
    }

    public override bool CanRead => !_closed && (_access & FileAccess.Read) != 0;

    public override bool CanWrite => !_closed && (_access & FileAccess.Write) != 0;

    public override bool CanSeek => false;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override int Read(Span<byte> buffer)
    {
        Check(FileAccess.Read);
        while (true)
        {
            SyscallResult result = TryRead(buffer);
            if (result.Errno != Errno.EAGAIN)
                return Count(result, "read", "read(2)");
            WaitHere(DescriptorWatcher.EPOLLIN);
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Check(FileAccess.Read);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            SyscallResult result = TryRead(buffer.Span);
            if (result.Errno != Errno.EAGAIN)
                return Count(result, "read", "read(2)");
            await WaitAsync(DescriptorWatcher.EPOLLIN, cancellationToken).ConfigureAwait(false);
        }
    }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        Check(FileAccess.Write);
        while (!buffer.IsEmpty)
        {
            SyscallResult result = TryWrite(buffer);
            if (result.Errno == Errno.EAGAIN)
                WaitHere(DescriptorWatcher.EPOLLOUT);
            else
                buffer = buffer[Count(result, "write", "write(2)")..];
        }
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Check(FileAccess.Write);
        while (!buffer.IsEmpty)
        {
            cancellationToken.ThrowIfCancellationRequested();
            SyscallResult result = TryWrite(buffer.Span);
            if (result.Errno == Errno.EAGAIN)
                await WaitAsync(DescriptorWatcher.EPOLLOUT, cancellationToken).ConfigureAwait(false);
            else
                buffer = buffer[Count(result, "write", "write(2)")..];
        }
    }

    public override int Read(byte[] buffer, int offset, int count) => Read(Checked(buffer, offset, count));

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(Checked(buffer, offset, count));

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken)
    {
        ValidateBufferArguments(buffer, offset, count);
        return WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();
    }

    public override IAsyncResult BeginRead(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(ReadAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override int EndRead(IAsyncResult asyncResult) => TaskToAsyncResult.End<int>(asyncResult);

    public override IAsyncResult BeginWrite(byte[] buffer, int offset, int count, AsyncCallback? callback, object? state) =>
        TaskToAsyncResult.Begin(WriteAsync(buffer, offset, count, CancellationToken.None), callback, state);

    public override void EndWrite(IAsyncResult asyncResult) => TaskToAsyncResult.End(asyncResult);

    public override void Flush()
    {
    }

    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    protected override void Dispose(bool disposing)
    {
        if (disposing)
        {
            lock (_gate)
            {
                _closed = true;
                Finish(static waiter => waiter.TrySetException(new ObjectDisposedException(nameof(DescriptorStream))));
                if (_watch >= 0)
                    DescriptorWatcher.End(_watch);
                _watch = -1;
            }

            _handle.Dispose();
        }

        base.Dispose(disposing);
    }

    private static Span<byte> Checked(byte[] buffer, int offset, int count)
    {
        ValidateBufferArguments(buffer, offset, count);
        return buffer.AsSpan(offset, count);
    }

    private void Check(FileAccess access)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        if ((_access & access) == 0)
            throw new NotSupportedException(access == FileAccess.Read ? "The stream is for writing." : "The stream is for reading.");
    }

    private SyscallResult TryRead(Span<byte> buffer) => FileSyscalls.Read(_handle, buffer);

    private SyscallResult TryWrite(ReadOnlySpan<byte> buffer) => FileSyscalls.Write(_handle, buffer);

    private int Count(SyscallResult result, string action, string call) =>
        result.IsError
            ? throw new IOException(new LinuxException(action, _subject, call, result.Errno).Message, (int)result.Errno)
            : (int)result.Value;

    private void WaitHere(uint events) => PollSyscalls.Wait(_handle, events);

    private async Task WaitAsync(uint events, CancellationToken cancellationToken)
    {
        var waiter = new Waiter(events);
        lock (_gate)
        {
            ObjectDisposedException.ThrowIf(_closed, this);
            _waiters.Add(waiter);
            try
            {
                Arm();
            }
            catch (LinuxException e)
            {
                _waiters.Remove(waiter);
                throw new IOException(e.Message, (int)e.Errno);
            }
        }

        using CancellationTokenRegistration registration = cancellationToken.UnsafeRegister(static (state, token) =>
        {
            var (stream, cancelled) = ((DescriptorStream, Waiter))state!;
            lock (stream._gate)
                stream._waiters.Remove(cancelled);
            cancelled.TrySetCanceled(token);
        }, (this, waiter));
        await waiter.Task.ConfigureAwait(false);
    }

    /// <summary>Asks for what is waited for; held under the gate.</summary>
    private void Arm()
    {
        uint events = 0;
        foreach (Waiter waiter in _waiters)
            events |= waiter.Events;
        if (_watch < 0)
            _watch = DescriptorWatcher.Begin(_handle, events, _subject, (_, seen) => Happened(seen));
        else
            DescriptorWatcher.Rearm(_watch, events);
    }

    private void Happened(uint seen)
    {
        bool ended = (seen & (DescriptorWatcher.EPOLLHUP | DescriptorWatcher.EPOLLERR)) != 0;
        lock (_gate)
        {
            for (int i = _waiters.Count - 1; i >= 0; i--)
            {
                Waiter waiter = _waiters[i];
                if (!ended && (waiter.Events & seen) == 0)
                    continue;
                _waiters.RemoveAt(i);
                waiter.TrySetResult();
            }

            if (_waiters.Count == 0 || _closed)
                return;
            try
            {
                Arm();
            }
            catch (LinuxException e)
            {
                Finish(waiter => waiter.TrySetException(new IOException(e.Message, (int)e.Errno)));
            }
        }
    }

    private void Finish(Action<Waiter> end)
    {
        _waiters.ForEach(end);
        _waiters.Clear();
    }

    /// <summary>Somebody who waits; what follows does not run on the watcher's thread.</summary>
    private sealed class Waiter(uint events) : TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)
    {
        internal uint Events { get; } = events;
    }
}
