using Isolation.Linux;
using Isolation.Linux.Events;
using Isolation.Linux.Launching;

namespace Isolation.Containers;

public sealed partial class Container
{
    /// <summary>So long a caller that has cancelled waits for the launch to be undone. What is not over by then is undone when it
    /// is.</summary>
    private static readonly TimeSpan s_undoing = TimeSpan.FromSeconds(5);

    private readonly TaskCompletionSource _abandoned = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>Waits for the start. Whatever that waits for: where it is cancelled it is killed, and undone.</summary>
    internal async Task<Container> StartedOrCancelled(CancellationToken cancellationToken)
    {
        using CancellationTokenRegistration registration = CancelStartBy(cancellationToken);
        if (await Task.WhenAny(Started, _abandoned.Task).ConfigureAwait(false) != Started)
        {
            _ = DisposeWhenStartedAsync();
            throw new OperationCanceledException(cancellationToken);
        }

        Container process;
        try
        {
            process = await Started.ConfigureAwait(false);
        }
        catch (Exception e) when (cancellationToken.IsCancellationRequested
            && e is OperationCanceledException or LaunchException { Errno: Errno.None })
        {
            throw new OperationCanceledException(cancellationToken);
        }

        if (!cancellationToken.IsCancellationRequested)
            return process;
        await process.DisposeAsync().ConfigureAwait(false);
        throw new OperationCanceledException(cancellationToken);
    }

    internal CancellationTokenRegistration CancelStartBy(CancellationToken cancellationToken) =>
        cancellationToken.UnsafeRegister(static state => ((Container)state!).CancelStart(), this);

    private void CancelStart()
    {
        if (Started.IsCompleted)
            return;
        Request.Cancellation.Request();
        if (LaunchQueue.TryRemove(Request))
        {
            Request.Unreserve();
            FailStart(new OperationCanceledException());
            return;
        }

        try
        {
            Deadline.After(s_undoing, () => _abandoned.TrySetResult());
        }
        catch (LinuxException e)
        {
            // no descriptor is left for a timer: the caller waits for as long as the launch has
            TellCleanUpFailure("limit how long the cancelled start is undone", e);
        }
    }

    private async Task DisposeWhenStartedAsync()
    {
        try
        {
            Container process = await Started.ConfigureAwait(false);
            await process.DisposeAsync().ConfigureAwait(false);
        }
#pragma warning disable CA1031 // Nobody waits for it any more. A start that failed is told already.
        catch (Exception e)
#pragma warning restore CA1031
        {
            if (!Started.IsFaulted)
                TellCleanUpFailure("dispose it after its start was cancelled", e);
        }
    }
}
