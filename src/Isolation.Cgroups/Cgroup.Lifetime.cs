using Isolation.Linux;
using Isolation.Linux.Abi;

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

    /// <summary>Kills every process in it and below it, and those forked meanwhile. Returns before they have exited.</summary>
    /// <remarks>Writes <c>1</c> to <c>cgroup.kill</c> (Linux 5.14). Where that is not there, freezes, signals each process, and thaws: while
    /// frozen none can fork. Where there is no freezer either, signals until none is left.</remarks>
    /// <exception cref="LinuxException"><c>EOPNOTSUPP</c>: a threaded control group.</exception>
    public void Kill()
    {
        if (Unified is { } unified && unified.Has("cgroup.kill") && IsComplete(unified))
            unified.Write(new CgroupSetting("cgroup.kill", "1"));
        else
            KillOneByOne();
    }

    /// <summary>Kills as kernels before 5.14 must.</summary>
    internal void KillOneByOne()
    {
        bool frozen = TryRequestFreeze();
        try
        {
            // Who was forked before its parent stopped is found in the next round: the last is the one that finds nobody new.
            var signalled = new HashSet<int>();
            for (int round = 0; round < 1000; round++)
            {
                bool found = false;
                foreach (int id in Directories.SelectMany(d => ReadProcesses(d, recursive: true)).Where(id => id != 0))
                {
                    using PidHandle? process = PidHandle.TryOpen(id);
                    process?.TrySendSignal(Sched.SIGKILL);
                    found |= signalled.Add(id);
                }

                if (!found)
                    return;
            }
        }
        finally
        {
            if (frozen)
                Thaw();
        }
    }

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

    private protected abstract bool TryRequestFreeze();

    /// <summary>Whether every member is also in the version 2 directory: on hybrid hosts a process may have been moved in one hierarchy alone.</summary>
    private protected virtual bool IsComplete(CgroupDirectory unified) => true;


    private protected static void WaitUntil(Func<bool> holds, TimeSpan timeout, string what)
    {
        long begin = System.Diagnostics.Stopwatch.GetTimestamp();
        for (int attempt = 0; !holds(); attempt++)
        {
            if (System.Diagnostics.Stopwatch.GetElapsedTime(begin) > timeout)
                throw new TimeoutException($"{what} within {timeout.TotalSeconds} s.");
            if (attempt < 20)
                Thread.Yield();
            else
                Thread.Sleep(1);
        }
    }
}
