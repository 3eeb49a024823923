using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Containers;

public sealed partial class Container
{
    /// <summary>Its control group: live statistics, limits that may be changed, freezing. Until it has ended; null where it has none of its
    /// own.</summary>
    public Cgroup? Cgroup { get; private set; }

    /// <summary>What a process of its own removes should this one end first; null where the container is to live on, or has no control
    /// group.</summary>
    private CgroupReaper.Registration? _registration;

    private void RegisterCgroup()
    {
        if (Plan.Spec.DieWithParent)
            _registration = Plan.Slots.Cgroup?.Register();
    }

    /// <summary>Gives its place in the table back, once: it may be another container's from then on.</summary>
    internal void UnregisterCgroup() => Interlocked.Exchange(ref _registration, null)?.Erase();

    /// <summary>Reads what was used, and removes the control group. All that is in it was killed.</summary>
    private ContainerUsage? RemoveCgroup()
    {
        if (Cgroup is not { } cgroup)
            return null;
        ContainerUsage? usage = null;
        using (cgroup)
        {
            try
            {
                usage = ContainerUsage.Read(cgroup);
            }
            catch (Exception e) when (e is LinuxException or ObjectDisposedException)
            {
                // somebody else has removed it, or this process is out of descriptors: there is nothing to be told
                TellCleanUpFailure("read what it used", e);
            }

            Errno left = cgroup.TryDelete(recursive: true, killed: true);
            if (left == Errno.None)
                UnregisterCgroup();
            else
                ContainerDiagnostics.TellCleanUpFailure(Plan.Asked, LoggedName, "remove its control group", left);
            return usage;
        }
    }

    private void LimitCpuTime(TimeSpan max) => _cpuTime = CpuTimeLimit.Begin(() => Cgroup, max, () =>
    {
        Started.GetAwaiter().GetResult();
        KillEverything(Killer.CpuTime);
    });

    /// <summary>Whether everything in it can be killed by its control group.</summary>
    private bool TryKillCgroup()
    {
        if (Cgroup is not { } cgroup)
            return false;
        try
        {
            cgroup.Kill();
            return true;
        }
        catch (Exception e) when (e is LinuxException or ObjectDisposedException)
        {
            ContainerDiagnostics.TellUnlessGone(Plan.Asked, LoggedName, "kill all in its control group", e);
            return false; // it is gone already
        }
    }
}
