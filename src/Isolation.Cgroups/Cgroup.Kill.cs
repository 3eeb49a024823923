using Isolation.Linux;
using Isolation.Linux.Abi;

namespace Isolation.Cgroups;

public abstract partial class Cgroup
{
    private const int HeldAtOnce = 256, MaxRounds = 200;

    private static readonly TimeSpan s_stopping = TimeSpan.FromMilliseconds(500);

    /// <summary>Kills every process in it and below it, and those forked meanwhile; frozen ones too.
    /// Returns before they have exited.</summary>
    /// <remarks>Writes <c>1</c> to <c>cgroup.kill</c> (Linux 5.14), and thaws version 1's freezer, in which even the killed stay. Where
    /// that is not there, freezes, signals each process, and thaws: while frozen none can fork. Where there is no freezer either, signals
    /// until none is left, at most 200 times.</remarks>
    /// <exception cref="LinuxException"><c>EOPNOTSUPP</c>: a threaded control group.</exception>
    public void Kill()
    {
        if (Unified is { } unified && unified.Has("cgroup.kill") && IsComplete(unified))
        {
            unified.Write(new CgroupSetting("cgroup.kill", "1"));
            LetDie();
        }
        else
        {
            KillOneByOne();
        }
    }

    /// <summary>Lets processes that were killed run to their end, wherever in it they are frozen. Nobody has to be left for that.</summary>
    internal abstract void LetDie();

    /// <summary>Kills as kernels before 5.14, and version 1, must.</summary>
    internal void KillOneByOne()
    {
        // Whatever stopped them forks no more: all of them are listed now.
        bool stopped = TryStop(s_stopping);
        try
        {
            for (int round = 0; round < MaxRounds && SignalMembers() && !stopped; round++)
            {
                Resume();
                Thread.Sleep(Math.Min(round / 10, 10));
            }
        }
        finally
        {
            Resume();
        }
    }

    /// <summary>Undoes <see cref="TryStop"/>.</summary>
    private protected abstract void Resume();

    /// <summary>Stops every process in it and below it; false where there is no freezer, or not all have stopped in time.</summary>
    private protected abstract bool TryStop(TimeSpan timeout);

    /// <summary>Whether every member is also in the version 2 directory:
    /// on hybrid hosts a process may have been moved in one hierarchy alone.</summary>
    private protected virtual bool IsComplete(CgroupDirectory unified) => true;

    /// <summary>Kills those that are listed now; whether there were any.</summary>
    private bool SignalMembers()
    {
        bool any = false;
        foreach (CgroupDirectory directory in Directories)
            any |= SignalMembers(directory);
        return any;
    }

    private static bool SignalMembers(CgroupDirectory directory)
    {
        bool any = false;
        foreach (int[] ids in ReadMembers(directory).Where(id => id != 0).Chunk(HeldAtOnce))
        {
            any = true;
            SignalThose(ids, directory);
        }

        foreach (CgroupDirectory child in directory.Children())
        {
            using (child)
                any |= SignalMembers(child);
        }

        return any;
    }

    private static void SignalThose(int[] ids, CgroupDirectory directory)
    {
        var processes = new List<PidHandle>(ids.Length);
        try
        {
            foreach (int id in ids)
            {
                if (PidHandle.TryOpen(id) is { } process)
                    processes.Add(process);
            }

            // A number may have passed to another process before it was opened. Listed again now that it is held, it is the member's: had
            // the held one ended meanwhile, the signal would reach nobody.
            HashSet<int> members = [.. ReadMembers(directory)];
            foreach (PidHandle process in processes.Where(p => members.Contains(p.ProcessId)))
                process.TrySendSignal(Signal.SIGKILL);
        }
        finally
        {
            foreach (PidHandle process in processes)
                process.Dispose();
        }
    }

    // Opened anew each time: version 1 keeps the list that an open file has read before. Out of descriptors is no empty list.
    private static List<int> ReadMembers(CgroupDirectory directory)
    {
        try
        {
            return directory.ReadIds("cgroup.procs");
        }
        catch (LinuxException e) when (e.Errno is Errno.EOPNOTSUPP or Errno.ENODEV or Errno.ENOENT)
        {
            return [];
        }
    }
}
