using System.Collections.Immutable;
using System.Net;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;

namespace Isolation.Containers;

/// <summary>What a start waits for on account of what its caller gave, before it is queued: a FIFO until somebody opens its other end, name
/// servers. No launcher thread is held by it, and it can be cancelled.</summary>
internal sealed class StartPreparation : IDisposable
{
    private readonly List<LinuxHandle> _files = [];

    private StartPreparation(LaunchPlan plan) => Plan = plan;

    /// <summary>The plan, with the files that were opened in the place of their paths.</summary>
    internal LaunchPlan Plan { get; private set; }

    /// <summary>The addresses of the egress policy's names.</summary>
    internal ImmutableSortedDictionary<string,
        ImmutableArray<IPAddress>> Pinned
    { get; private set; } = ImmutableSortedDictionary<string, ImmutableArray<IPAddress>>.Empty;

    internal static bool IsNeeded(ContainerStart start) => start.Spec.Network.Egress is not null
        || new[] { start.StandardInput, start.StandardOutput, start.StandardError }.Any(IsFifo);

    /// <exception cref="LinuxException">A name has no address, or a file cannot be opened.</exception>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    internal static async Task<StartPreparation> RunAsync(LaunchPlan plan, CancellationToken cancellationToken)
    {
        var prepared = new StartPreparation(plan);
        try
        {
            ContainerStart start = plan.Asked;
            if (start.Spec.Network.Egress is { } egress)
                prepared.Pinned = await EgressFilter.ResolveAsync(egress, cancellationToken).ConfigureAwait(false);
            start = start with
            {
                StandardInput = await prepared.OpenAsync(start.StandardInput, 0, cancellationToken).ConfigureAwait(false),
                StandardOutput = await prepared.OpenAsync(start.StandardOutput, 1, cancellationToken).ConfigureAwait(false),
                StandardError = await prepared.OpenAsync(start.StandardError, 2, cancellationToken).ConfigureAwait(false),
            };
            if (prepared._files.Count > 0 || !prepared.Pinned.IsEmpty)
                prepared.Plan = start.Plan(plan.Facts with { PinnedNames = prepared.Pinned }, plan.User);
            return prepared;
        }
        catch
        {
            prepared.Dispose();
            throw;
        }
    }

    /// <summary>Closes the files: the container has copies of its own.</summary>
    public void Dispose() => _files.ForEach(f => f.Dispose());

    private static bool IsFifo(Stdio stdio) => stdio is FileStdio file && WaitingOpen.IsNeeded(file.Path);

    private async Task<Stdio> OpenAsync(Stdio stdio, int stream, CancellationToken cancellationToken)
    {
        if (!IsFifo(stdio))
            return stdio;
        LinuxHandle file = await WaitingOpen.OpenAsync(((FileStdio)stdio).Path, stream == 0 ? Fcntl.O_RDONLY : Fcntl.O_WRONLY,
            ProcessSteps.StreamName(stream), cancellationToken).ConfigureAwait(false);
        _files.Add(file);
        return Stdio.Handle(file);
    }
}
