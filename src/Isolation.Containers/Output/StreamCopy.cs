using System.Runtime.CompilerServices;
using System.Text;

namespace Isolation.Containers;

/// <summary>Copies between the pipes of a container and what its caller gave, without a thread of its own.</summary>
internal static class StreamCopy
{
    private const int BufferSize = 65_536;

    /// <summary>Writes what the program reads, and closes its standard input.</summary>
    /// <exception cref="Exception">Whatever the caller's stream throws. That the program reads no more is none.</exception>
    internal static async Task FeedAsync(Stdio source, Stream input, CancellationToken cancellationToken)
    {
        await using ConfiguredAsyncDisposable closing = input.ConfigureAwait(false);
        if (source is ContentStdio content)
        {
            await TryWriteAsync(input, content.Content, cancellationToken).ConfigureAwait(false);
            return;
        }

        Stream from = ((SourceStdio)source).Stream;
        var buffer = new byte[BufferSize];
        int read;
        while ((read = await from.ReadAsync(buffer, cancellationToken).ConfigureAwait(false)) > 0
            && await TryWriteAsync(input, buffer.AsMemory(0, read), cancellationToken).ConfigureAwait(false))
        {
        }
    }

    /// <summary>Copies what the program writes, until it has closed the stream.</summary>
    /// <param name="output">The pipe.</param>
    /// <param name="target">Where to.</param>
    /// <param name="turn">Held for each write: both streams may go to one place.</param>
    internal static async Task DrainAsync(Stream output, Stdio target, SemaphoreSlim turn)
    {
        var buffer = new byte[BufferSize];
        var text = new char[BufferSize + 2]; // what was left of the last part may be one more
        Decoder decoder = Encoding.UTF8.GetDecoder();
        int read;
        do
        {
            read = await output.ReadAsync(buffer).ConfigureAwait(false);
            await turn.WaitAsync().ConfigureAwait(false);
            try
            {
                await PutAsync(target, buffer.AsMemory(0, read), text, decoder).ConfigureAwait(false);
            }
            finally
            {
                turn.Release();
            }
        }
        while (read > 0);
    }

    /// <summary>Writes a part; an empty one is the end.</summary>
    private static async Task PutAsync(Stdio target, ReadOnlyMemory<byte> part, char[] text, Decoder decoder)
    {
        if (target is SinkStdio sink)
        {
            if (part.IsEmpty)
                await sink.Stream.FlushAsync().ConfigureAwait(false);
            else
                await sink.Stream.WriteAsync(part).ConfigureAwait(false);
            return;
        }

        TextWriter writer = ((WriterStdio)target).Writer;
        int length = decoder.GetChars(part.Span, text, flush: part.IsEmpty);
        await writer.WriteAsync(text.AsMemory(0, length)).ConfigureAwait(false);
        if (part.IsEmpty)
            await writer.FlushAsync().ConfigureAwait(false);
    }

    /// <summary>False where the program reads no more: it has ended, or closed its standard input. EPIPE of write(2).</summary>
    private static async Task<bool> TryWriteAsync(Stream input, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        try
        {
            await input.WriteAsync(content, cancellationToken).ConfigureAwait(false);
            return true;
        }
        catch (IOException)
        {
            return false;
        }
    }
}
