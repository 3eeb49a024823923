using Isolation.Linux;

namespace Isolation.Cgroups;

public abstract partial class Cgroup
{
    /// <summary>Stops every process in it and below it, and returns when all have stopped. Writes <c>cgroup.freeze</c>; on version 1
    /// <c>freezer.state</c>.</summary>
    /// <remarks>Scope: the whole subtree, and what joins it later. Since Linux 5.2 on version 2.</remarks>
    /// <param name="timeout">How long to wait; null for 10 s. A process in an uninterruptible call stops only after that.</param>
    /// <exception cref="TimeoutException">Not all have stopped; the request stands.</exception>
    /// <exception cref="KernelFeatureException">The host has no freezer.</exception>
    public void Freeze(TimeSpan? timeout = null) => SetFrozen(true, timeout ?? TimeSpan.FromSeconds(10));

    /// <summary>Lets every process in it and below it run on.</summary>
    /// <exception cref="KernelFeatureException">The host has no freezer.</exception>
    public void Thaw() => SetFrozen(false, TimeSpan.FromSeconds(10));

    /// <summary>Whether all processes in it are stopped.</summary>
    public abstract bool IsFrozen { get; }

    /// <summary>Waits until no process is left in it or below it.</summary>
    /// <remarks>Version 2 tells by <c>cgroup.events</c>; version 1 has nothing that tells, and is asked every few milliseconds.</remarks>
    /// <exception cref="OperationCanceledException">The waiting was cancelled.</exception>
    public abstract Task WaitUntilEmptyAsync(CancellationToken cancellationToken = default);

    /// <summary>Kills everything in it, waits until it is empty, and removes it.</summary>
    public async Task KillAndDeleteAsync(CancellationToken cancellationToken = default)
    {
        Kill();
        await WaitUntilEmptyAsync(cancellationToken).ConfigureAwait(false);
        Delete();
    }

    private protected abstract void SetFrozen(bool frozen, TimeSpan timeout);

    private protected static void WaitUntil(Func<bool> holds, TimeSpan timeout, string what)
    {
        if (!HoldsWithin(holds, timeout))
            throw new TimeoutException($"{what} within {timeout.TotalSeconds} s.");
    }

    private protected static bool HoldsWithin(Func<bool> holds, TimeSpan timeout)
    {
        long begin = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int attempt = 0; !holds(); attempt++)
        {
            if (System.Diagnostics.Stopwatch.GetElapsedTime(begin) > timeout)
                return false;
            if (attempt < 20)
                Thread.Yield();
            else
                Thread.Sleep(1);
        }

        return true;
    }
}
