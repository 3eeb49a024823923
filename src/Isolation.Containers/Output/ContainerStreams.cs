using Isolation.Linux;
using Isolation.Linux.Events;

namespace Isolation.Containers;

/// <summary>This process's ends of a running container's standard streams: those that are handed out, and those that it copies
/// itself.</summary>
internal sealed class ContainerStreams : IDisposable
{
    /// <summary>So long after the end of the container the rest of its output may take. All that could write is gone by then, but for
    /// what was handed to a process outside.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(5);

    private readonly CancellationTokenSource _ended = new();
    private readonly Stream?[] _streams = new Stream?[3];
    private readonly Action _kill;
    private Task _copying = Task.CompletedTask;
    private LineReader? _lines;
    private volatile bool _isClosed;

    /// <param name="kill">Kills the container: nobody gets what it would still write, or it would take half of its input for all of
    /// it.</param>
    private ContainerStreams(Action kill) => _kill = kill;

    /// <summary>What the program reads; null unless that is a pipe that was asked for.</summary>
    internal Stream? Input { get; private set; }

    /// <summary>What the program writes; null unless that is a pipe that was asked for.</summary>
    internal Stream? Output { get; private set; }

    /// <inheritdoc cref="Output"/>
    internal Stream? Error { get; private set; }

    /// <summary>Whether <see cref="ContainerSpec.OutputMax"/> was exceeded.</summary>
    internal bool IsExceeded { get; private set; }

    /// <summary>Why the caller's stream could not be read or written; null where all went well.</summary>
    internal Exception? Failure { get; private set; }

    /// <summary>The lines of the pipes, which are then nobody else's to read.</summary>
    /// <exception cref="InvalidOperationException">Neither output is a pipe.</exception>
    internal LineReader Lines
    {
        get
        {
            (OutputSource, Stream?)[] pipes = [(OutputSource.StandardOutput, Output), (OutputSource.StandardError, Error)];
            (OutputSource, Stream)[] open = [.. pipes.Where(p => p.Item2 is not null).Select(p => (p.Item1, p.Item2!))];
            if (open.Length == 0)
                throw NoPipe();
            lock (_streams)
                return _lines ??= new LineReader(open);
        }
    }

    /// <summary>Takes the ends of the pipes.</summary>
    /// <param name="start">What they are for.</param>
    /// <param name="take">Takes the descriptor of a stream, 0 to 2; null where there is no pipe.</param>
    /// <param name="kill">Kills the container, and says whether its output was too much.</param>
    internal static ContainerStreams Open(ContainerStart start, Func<int, LinuxHandle?> take, Action<bool> kill)
    {
        var streams = new ContainerStreams(() => kill(false));
        try
        {
            streams.Open(start, take, () =>
            {
                streams.IsExceeded = true;
                kill(true);
            });
            return streams;
        }
        catch
        {
            streams.Dispose();
            throw;
        }
    }

    private void Open(ContainerStart start, Func<int, LinuxHandle?> take, Action exceeded)
    {
        Stdio[] wanted = [start.StandardInput, start.StandardOutput, start.StandardError];
        OutputMeter? meter = start.Spec.OutputMax is { } max ? new OutputMeter(max.Bytes, exceeded) : null;
        for (int i = 0; i < 3; i++)
        {
            if (take(i) is not { } handle)
                continue;
            Stream stream = new DescriptorStream(handle, i == 0 ? FileAccess.Write : FileAccess.Read,
                "the container's " + ProcessSteps.StreamName(i));
            _streams[i] = i > 0 && meter is not null ? new MeteredStream(stream, meter) : stream;
        }

        Input = wanted[0] is PipeStdio ? _streams[0] : null;
        Output = wanted[1] is PipeStdio ? _streams[1] : null;
        Error = wanted[2] is PipeStdio ? _streams[2] : null;
        if (_streams[0] is { } input && Input is null)
            _ = ReportAsync(StreamCopy.FeedAsync(wanted[0], input, _ended.Token));
        SemaphoreSlim first = new(1), second = IsOnePlace(wanted[1], wanted[2]) ? first : new(1);
        _copying = Task.WhenAll(Drain(1, first), Drain(2, second));

        Task Drain(int index, SemaphoreSlim turn) => wanted[index] is SinkStdio or WriterStdio
            ? ReportAsync(StreamCopy.DrainAsync(_streams[index]!, wanted[index], turn)) : Task.CompletedTask;
    }

    /// <summary>Calls back when all output was copied that was written before the end.</summary>
    internal void Finish(Action finished)
    {
        _ended.Cancel();
        if (_copying.IsCompleted)
        {
            finished();
            return;
        }

        _ = FinishAsync(finished);
    }

    private async Task FinishAsync(Action finished)
    {
        if (await Task.WhenAny(_copying, Task.Delay(s_rest)).ConfigureAwait(false) != _copying)
        {
            Failure ??= new IOException(
                "A process outside of the container still holds its output, of which nothing is read after the end.");
            Dispose();
        }

        finished();
    }

    /// <summary>Closes all of them.</summary>
    public void Dispose()
    {
        _isClosed = true;
        _ended.Cancel();
        foreach (Stream? stream in _streams)
            stream?.Dispose();
    }

    internal static InvalidOperationException NoPipe() => new(
        "Neither standard output nor standard error is a pipe: start the container with WithStandardOutput(Stdio.Pipe).");

    private async Task ReportAsync(Task copying)
    {
        try
        {
            await copying.ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Whatever the caller's stream throws, the result tells it.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (_isClosed || (e is OperationCanceledException && _ended.IsCancellationRequested))
                return;
            Failure ??= e;
            _kill();
        }
    }

    private static bool IsOnePlace(Stdio one, Stdio other) => (one, other) switch
    {
        (SinkStdio a, SinkStdio b) => ReferenceEquals(a.Stream, b.Stream),
        (WriterStdio a, WriterStdio b) => ReferenceEquals(a.Writer, b.Writer),
        _ => false,
    };
}
