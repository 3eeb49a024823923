using Isolation.Linux.Syscalls;

namespace Isolation.Linux;

/// <summary>A standard stream of this process, by plain read(2) and write(2).</summary>
/// <remarks>The runtime's <see cref="Console"/> sets the terminal up for itself, and passes over a reader that has gone away. Here that is
/// an error: <c>EPIPE</c>. Writes are made where the descriptor stands, as others who share the file expect. The descriptor is not owned:
/// it stays open.</remarks>
public sealed class StandardStream : Stream
{
    private readonly LinuxHandle _handle;
    private readonly string _name;

    private StandardStream(int descriptor, string name)
    {
        (_handle, _name) = (LinuxHandle.Unowned(descriptor), name);
        CanRead = descriptor == 0;
    }

    /// <inheritdoc/>
    public override bool CanRead { get; }

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => !CanRead;

    /// <summary>Not supported.</summary>
    public override long Length => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    /// <summary>Opens descriptor 0.</summary>
    public static StandardStream OpenInput() => new(0, "standard input");

    /// <summary>Opens descriptor 1.</summary>
    public static StandardStream OpenOutput() => new(1, "standard output");

    /// <summary>Opens descriptor 2.</summary>
    public static StandardStream OpenError() => new(2, "standard error");

    /// <summary>Writes all of it. See write(2).</summary>
    /// <exception cref="LinuxException"><c>EPIPE</c>: nobody reads it any more. <c>ENOSPC</c>: the disk is full. <c>EBADF</c>: it is
    /// closed.</exception>
    /// <exception cref="NotSupportedException">This is standard input.</exception>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        if (!CanWrite)
            throw new NotSupportedException("Standard input is not written to.");
        while (!buffer.IsEmpty)
        {
            SyscallResult result = FileSyscalls.Write(_handle, buffer);
            if (result.Errno == Errno.EAGAIN)
            {
                // Somebody has made it non-blocking for all who share it.
                Thread.Sleep(1);
                continue;
            }

            result.ThrowIfError("write", _name, "write(2)");
            buffer = buffer[(int)result.Value..];
        }
    }

    /// <inheritdoc cref="Write(ReadOnlySpan{byte})"/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Writes all of it, on this thread: the kernel takes it, or the caller waits, as for every standard stream.</summary>
    /// <inheritdoc cref="Write(ReadOnlySpan{byte})" path="/exception"/>
    public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Write(buffer.Span);
        return ValueTask.CompletedTask;
    }

    /// <inheritdoc cref="WriteAsync(ReadOnlyMemory{byte}, CancellationToken)"/>
    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Reads what is there, and waits where nothing is; 0 at the end. See read(2).</summary>
    /// <exception cref="LinuxException"><c>EISDIR</c>: it is a directory. <c>EIO</c>: the terminal is another's. <c>EBADF</c>: it is
    /// closed.</exception>
    /// <exception cref="NotSupportedException">This is an output.</exception>
    public override int Read(Span<byte> buffer)
    {
        if (!CanRead)
            throw new NotSupportedException("An output is not read.");
        while (true)
        {
            SyscallResult result = FileSyscalls.Read(_handle, buffer);
            if (result.Errno == Errno.EAGAIN)
            {
                Thread.Sleep(1);
                continue;
            }

            result.ThrowIfError("read", _name, "read(2)");
            return (int)result.Value;
        }
    }

    /// <inheritdoc cref="Read(Span{byte})"/>
    public override int Read(byte[] buffer, int offset, int count) => Read(buffer.AsSpan(offset, count));

    /// <summary>Does nothing: a write is made at once.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc cref="Flush"/>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Not supported.</summary>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <summary>Not supported.</summary>
    public override void SetLength(long value) => throw new NotSupportedException();
}
