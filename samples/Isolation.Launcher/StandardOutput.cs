using Isolation.Linux;
using Isolation.Linux.Syscalls;

namespace Isolation.Launcher;

/// <summary>Standard output as it is given: a reader that has gone away is an error,
/// which the runtime's console passes over in silence.</summary>
/// <remarks>Written where the descriptor stands, as others who share the file expect.</remarks>
internal sealed class StandardOutput : Stream
{
    private static readonly LinuxHandle s_output = new(1);

    /// <summary>Makes it the console's.</summary>
    internal static void Install() => Console.SetOut(new StreamWriter(new StandardOutput()) { AutoFlush = true });

    public override bool CanRead => false;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position { get => throw new NotSupportedException(); set => throw new NotSupportedException(); }

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        while (!buffer.IsEmpty)
        {
            SyscallResult result = FileSyscalls.Write(s_output, buffer);
            if (result.Errno == Errno.EAGAIN)
            {
                // Somebody has made it non-blocking for all who share it.
                Thread.Sleep(1);
                continue;
            }

            if (result.Errno == Errno.EPIPE)
                throw new ReaderGoneException();
            result.ThrowIfError("write", "standard output", "write(2)");
            buffer = buffer[(int)result.Value..];
        }
    }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();
}

/// <summary>Nobody reads standard output any more. The program ends as <c>SIGPIPE</c>,
/// which the runtime ignores, would have ended it.</summary>
internal sealed class ReaderGoneException() : IOException("Nobody reads standard output any more.");
