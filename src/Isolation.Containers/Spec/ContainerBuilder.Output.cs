using System.Runtime.CompilerServices;
using Isolation.Linux;

namespace Isolation.Containers;

public sealed partial class ContainerBuilder
{
    /// <summary>How much <see cref="CaptureAsync"/> takes from a container that has no limit of output of its own: 16 MiB.</summary>
    public static ByteSize DefaultCaptureMax { get; } = ByteSize.FromMebibytes(16);

    /// <summary>Starts the container, waits for its end, and returns what it wrote. Cancelling kills everything in it.</summary>
    /// <remarks>An output that is connected to a file, a stream or a descriptor stays so, and is empty here. A container that writes more
    /// than <see cref="ContainerSpec.OutputMax"/>, or else <see cref="DefaultCaptureMax"/>, is killed; what it wrote before is returned,
    /// and <see cref="ContainerResult.Limits"/> has <see cref="LimitHits.Output"/>. What a container wrote before a time limit ended it is
    /// returned, too.</remarks>
    /// <example><code>
    /// ContainerOutput output = await new ContainerBuilder(Rootfs.Host).WithCommand("uname", "-a").CaptureAsync();
    /// Console.Write(output.ThrowIfFailed().StandardOutput);
    /// </code></example>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <inheritdoc cref="StartAsync" path="/exception"/>
    public async Task<ContainerOutput> CaptureAsync(CancellationToken cancellationToken = default)
    {
        using var output = new MemoryStream();
        using var error = new MemoryStream();
        ContainerStart start = Redirected(Stdio.To(output), Stdio.To(error));
        if (start.Spec.OutputMax is null)
            start = start with { Spec = start.Spec with { OutputMax = DefaultCaptureMax }, CountsSomeOutput = true };
        ContainerResult result = await new ContainerBuilder(start).RunAsync(cancellationToken).ConfigureAwait(false);
        return new ContainerOutput(result, output.ToArray(), error.ToArray());
    }

    /// <summary>Starts the container and returns the lines that it writes, while it runs. Leaving the loop, and cancelling, kills
    /// everything in it.</summary>
    /// <remarks>An output that is connected to a file, a stream or a descriptor stays so. A program whose lines nobody takes
    /// waits.</remarks>
    /// <example><code>
    /// await foreach (OutputLine line in new ContainerBuilder(Rootfs.Host).WithCommand("ping", "-c3", "::1").ReadLinesAsync())
    ///     Console.WriteLine($"{line.Source}: {line.Text}");
    /// </code></example>
    /// <exception cref="ContainerFailedException">After the last line: the program did not exit with code 0, or a limit ended
    /// it.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <inheritdoc cref="StartAsync" path="/exception"/>
    public async IAsyncEnumerable<OutputLine> ReadLinesAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        Container process = await new ContainerBuilder(Redirected(Stdio.Pipe, Stdio.Pipe)).StartAsync(cancellationToken)
            .ConfigureAwait(false);
        await using (process.ConfigureAwait(false))
        {
            await foreach (OutputLine line in process.ReadLinesAsync(cancellationToken).ConfigureAwait(false))
                yield return line;
            (await process.WaitAsync(cancellationToken).ConfigureAwait(false)).ThrowIfFailed();
        }
    }

    /// <summary>The start with outputs that are not connected to anything else redirected.</summary>
    private ContainerStart Redirected(Stdio output, Stdio error) => _start with
    {
        StandardOutput = _start.StandardOutput is InheritStdio or PipeStdio ? output : _start.StandardOutput,
        StandardError = _start.StandardError is InheritStdio or PipeStdio ? error : _start.StandardError,
    };
}
