namespace Isolation.Containers;

/// <summary>Whether a container has a control group of its own.</summary>
public enum CgroupUse
{
    /// <summary>Where the host lets it have one; required where there are limits.</summary>
    Auto,

    /// <summary>Required: a host that cannot is refused.</summary>
    Own,

    /// <summary>None: it is in this process's. Limits are refused.</summary>
    SharedWithParent,
}
