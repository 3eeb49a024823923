namespace Isolation.Cgroups;

/// <summary>What a control group's members are: <c>cgroup.type</c>.</summary>
public enum CgroupType
{
    /// <summary>Processes; the normal kind.</summary>
    Domain,

    /// <summary>The top of a threaded subtree.</summary>
    DomainThreaded,

    /// <summary>Below a threaded one, and not threaded itself: it can hold nothing until it is made so.</summary>
    DomainInvalid,

    /// <summary>Threads, of processes whose domain is above.</summary>
    Threaded,
}
