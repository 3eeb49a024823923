namespace Isolation.Cgroups;

/// <summary>The control group below which those of containers are: see <see cref="CgroupFacts.Parent"/>.</summary>
internal static class CgroupParent
{
    internal static Cgroup Open(CgroupFacts facts) => facts.Mode == CgroupMode.Unified ? CgroupV2.Open(facts.Parent) : CgroupV1.OpenOwn();

    internal static Cgroup OpenChild(CgroupFacts facts, string name) =>
        // On version 1 relative to this process's own in each hierarchy.
        facts.Mode == CgroupMode.Unified ? CgroupV2.Open(facts.Parent.TrimEnd('/') + "/" + name) : CgroupV1.Open(name);
}
