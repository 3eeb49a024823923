namespace Isolation.Cgroups;

/// <summary>Something that happened to a control group, from one of its event files.</summary>
/// <param name="File">The file that told: <c>memory.events</c>.</param>
/// <param name="Name">Which of its counters: <c>oom_kill</c>, <c>high</c>;
/// of <c>cgroup.events</c> <c>populated</c> or <c>frozen</c>.</param>
/// <param name="Count">How many times it happened since the event before; 1 or more.
/// For a flag of <c>cgroup.events</c>, its new value.</param>
/// <param name="Total">The counter now.</param>
public sealed record CgroupEvent(string File, string Name, long Count, long Total)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{File}: {Name} {Count} (total {Total})");
}
