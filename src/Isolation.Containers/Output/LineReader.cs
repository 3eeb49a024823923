using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;

namespace Isolation.Containers;

/// <summary>Reads the lines of a container's output streams, in the order in which they come.</summary>
/// <remarks>A program whose lines nobody takes waits once a pipe is full and some lines lie here: memory stays bounded. After
/// <see cref="WaitAsync"/> has found its line, what nobody takes is dropped, oldest first, so that the program goes on.</remarks>
internal sealed class LineReader
{
    private const int Capacity = 256;

    private readonly Channel<OutputLine> _lines = Channel.CreateBounded<OutputLine>(Capacity);
    private volatile bool _drops;

    /// <summary>Begins to read.</summary>
    internal LineReader(IEnumerable<(OutputSource Source, Stream Stream)> streams)
    {
        Task[] readers = [.. streams.Select(s => ReadAsync(s.Source, s.Stream))];
        _ = Task.WhenAll(readers).ContinueWith(all => _lines.Writer.TryComplete(all.Exception?.InnerException), CancellationToken.None,
            TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
    }

    /// <summary>The lines that are not taken yet, until the program has closed its streams.</summary>
    internal async IAsyncEnumerable<OutputLine> TakeAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        _drops = false;
        await foreach (OutputLine line in _lines.Reader.ReadAllAsync(cancellationToken).ConfigureAwait(false))
            yield return line;
    }

    /// <summary>Takes lines until one matches; null where the program closes its streams before.</summary>
    internal async Task<OutputLine?> WaitAsync(Func<string, bool> matches, CancellationToken cancellationToken)
    {
        await foreach (OutputLine line in TakeAsync(cancellationToken).ConfigureAwait(false))
        {
            if (!matches(line.Text))
                continue;
            _drops = true;
            if (_lines.Reader.Count == Capacity)
                _lines.Reader.TryRead(out _); // for a reader that waits for room already
            return line;
        }

        return null;
    }

    private async Task ReadAsync(OutputSource source, Stream stream)
    {
        var buffer = new byte[OutputLine.MaxBytes];
        int length = 0;
        while (true)
        {
            int read = await stream.ReadAsync(buffer.AsMemory(length)).ConfigureAwait(false);
            if (read == 0)
                break;
            length += read;
            int start = 0, end;
            while ((end = buffer.AsSpan(start, length - start).IndexOf((byte)'\n')) >= 0)
            {
                await PutAsync(Line(source, buffer.AsSpan(start, end))).ConfigureAwait(false);
                start += end + 1;
            }

            if (start == 0 && length == buffer.Length)
            {
                start = WholeCharacters(buffer);
                await PutAsync(Line(source, buffer.AsSpan(0, start)) with { IsPartial = true }).ConfigureAwait(false);
            }

            buffer.AsSpan(start, length - start).CopyTo(buffer);
            length -= start;
        }

        if (length > 0)
            await PutAsync(Line(source, buffer.AsSpan(0, length))).ConfigureAwait(false);
    }

    private async ValueTask PutAsync(OutputLine line)
    {
        while (!_lines.Writer.TryWrite(line))
        {
            if (_drops)
                _lines.Reader.TryRead(out _);
            else
                await _lines.Writer.WaitToWriteAsync().ConfigureAwait(false);
        }
    }

    private static OutputLine Line(OutputSource source, ReadOnlySpan<byte> bytes) =>
        new(source, Encoding.UTF8.GetString(bytes is [.., (byte)'\r'] ? bytes[..^1] : bytes));

    /// <summary>How many bytes of a full buffer end with a whole character of UTF-8: RFC 3629, at most three bytes follow the
    /// first.</summary>
    private static int WholeCharacters(ReadOnlySpan<byte> bytes)
    {
        for (int back = 1; back <= 4; back++)
        {
            byte first = bytes[^back];
            if ((first & 0xc0) == 0x80)
                continue;
            int size = first < 0x80 ? 1 : (first & 0xe0) == 0xc0 ? 2 : (first & 0xf0) == 0xe0 ? 3 : 4;
            return size > back ? bytes.Length - back : bytes.Length;
        }

        return bytes.Length;
    }
}
