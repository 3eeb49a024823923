namespace Isolation.Cgroups;

/// <summary>Processes and threads.</summary>
public sealed class PidsStats
{
    /// <summary>How many there are: <c>pids.current</c>.</summary>
    public long Current { get; internal set; }

    /// <summary>The most there were: <c>pids.peak</c> (Linux 6.1); 0 where the kernel has it not.</summary>
    public long Peak { get; internal set; }

    /// <summary>The limit: <see cref="long.MaxValue"/> for none.</summary>
    public long Max { get; internal set; } = long.MaxValue;

    /// <summary>Forks that the limit refused: <c>max</c> of <c>pids.events</c>.</summary>
    public long Refused { get; internal set; }

    internal KeyedValues Events { get; } = new();
}
