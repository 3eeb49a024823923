using System.Globalization;
using System.Text.RegularExpressions;
using Isolation.Linux;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

public sealed partial class Container
{
    private static readonly string[] s_portFiles = ["tcp", "tcp6"];

    // How often a port is looked for.
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(20);

    /// <summary>Reads what it writes, line by line, while it runs, until it has closed its outputs.</summary>
    /// <remarks>For outputs that are pipes, which must not be read otherwise as well. Lines of one stream keep their order. A program whose
    /// lines nobody takes waits. <see cref="WaitAsync"/> returns how the program ended: nothing is thrown here for that, unlike by
    /// <see cref="ContainerBuilder.ReadLinesAsync"/>.</remarks>
    /// <exception cref="InvalidOperationException">Neither output is a pipe.</exception>
    public IAsyncEnumerable<OutputLine> ReadLinesAsync(CancellationToken cancellationToken = default) =>
        Lines.TakeAsync(cancellationToken);

    /// <summary>Reads what it writes until a line matches, and returns that. Lines before it are skipped.</summary>
    /// <remarks>For outputs that are pipes. From then on lines that <see cref="ReadLinesAsync"/> does not take are dropped, so that the
    /// program never waits for somebody to read them.</remarks>
    /// <param name="pattern">What a line must match.</param>
    /// <param name="cancellationToken">Ends the waiting; the container runs on.</param>
    /// <exception cref="ContainerFailedException">It closed its outputs before, mostly by its end.</exception>
    /// <exception cref="InvalidOperationException">Neither output is a pipe.</exception>
    public async Task<OutputLine> WaitForLineAsync(Regex pattern, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(pattern);
        return await Lines.WaitAsync(pattern.IsMatch, cancellationToken).ConfigureAwait(false)
            ?? throw new ContainerFailedException(await WaitAsync(cancellationToken).ConfigureAwait(false));
    }

    /// <summary>Waits until a program in its network listens on a TCP port.</summary>
    /// <remarks>Reads /proc/PID/net/tcp and tcp6, and connects to nothing. A container on the host's network sees the host's programs
    /// too.</remarks>
    /// <param name="port">The port inside.</param>
    /// <param name="cancellationToken">Ends the waiting; the container runs on.</param>
    /// <exception cref="ContainerFailedException">It ended before.</exception>
    public async Task WaitForPortAsync(int port, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(port, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(port, ushort.MaxValue);
        Task<ContainerResult> end = WaitAsync(cancellationToken);
        while (!Listens(port))
        {
            if (await Task.WhenAny(end, Task.Delay(s_pause, cancellationToken)).ConfigureAwait(false) == end)
                throw new ContainerFailedException(await end.ConfigureAwait(false));
            cancellationToken.ThrowIfCancellationRequested();
        }
    }

    /// <summary>Sends SIGTERM to the program, and kills everything in the container where that has not ended in time.</summary>
    /// <remarks>A program that is process 1 ignores SIGTERM unless it has a handler.</remarks>
    /// <returns>How the container ended. <see cref="ContainerResult.Killed"/> is true where the grace ran out.</returns>
    /// <param name="grace">How long the program has.</param>
    /// <param name="cancellationToken">Ends the waiting. SIGTERM is sent then, and nothing is killed.</param>
    public async Task<ContainerResult> StopAsync(TimeSpan grace, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(grace, TimeSpan.Zero);
        Kill(Signal.SIGTERM);
        try
        {
            return await WaitAsync(cancellationToken).WaitAsync(grace, cancellationToken).ConfigureAwait(false);
        }
        catch (TimeoutException)
        {
            return await KillAllAsync().ConfigureAwait(false);
        }
    }

    private LineReader Lines => _streams?.Lines ?? throw ContainerStreams.NoPipe();

    private void OpenStreams(ProgramMemory memory)
    {
        Slot?[] pipes = Plan.Slots.Streams.Pipes;
        _streams = ContainerStreams.Open(Plan.Asked, i => pipes[i] is { } pipe ? Take(pipe, memory) : null, KillForStreams);
    }

    private void FinishStreams(ContainerStreams streams, ContainerResult result) =>
        streams.Finish(() => SetEnded(result with { OutputExceeded = streams.IsExceeded, StreamFailure = streams.Failure }));

    private bool Listens(int port)
    {
        // proc_pid_net(5): "sl local_address rem_address st ..."; the port in hexadecimal behind the colon, 0A is TCP_LISTEN.
        string wanted = string.Create(CultureInfo.InvariantCulture, $":{port:X4}");
        return s_portFiles.Any(file => TextFile.Lines(TextFile.ReadIfThere(
                string.Create(CultureInfo.InvariantCulture, $"/proc/{ProcessId}/net/{file}")) ?? "")
            .Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(f => f.Length > 3 && f[3] == "0A" && f[1].EndsWith(wanted, StringComparison.Ordinal)));
    }
}
