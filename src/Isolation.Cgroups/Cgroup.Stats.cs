namespace Isolation.Cgroups;

public abstract partial class Cgroup
{
    /// <summary>Opens the statistics, and reads them once. Read again by <see cref="CgroupStats.Refresh"/>.</summary>
    /// <param name="kinds">What to read; the less, the faster.</param>
    public CgroupStats OpenStats(CgroupStatKinds kinds = CgroupStatKinds.Basic) => OpenStats(kinds, static stats => stats.Refresh());

    /// <summary>The statistics as far as they are understood: for a result, which is not lost for a file that a new kernel writes
    /// otherwise.</summary>
    internal CgroupStats OpenKnownStats() => OpenStats(CgroupStatKinds.Basic, static stats => stats.TryRefresh());

    private CgroupStats OpenStats(CgroupStatKinds kinds, Action<CgroupStats> refresh)
    {
        var stats = new CgroupStats();
        try
        {
            AddStats(stats, kinds);
            refresh(stats);
            return stats;
        }
        catch
        {
            stats.Dispose();
            throw;
        }
    }

    private protected abstract void AddStats(CgroupStats stats, CgroupStatKinds kinds);
}
