using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Something that a plan does in another way than it would on a host with everything.</summary>
/// <param name="Weakens">Whether the container is less protected by it.</param>
/// <param name="Part">The part of the container.</param>
/// <param name="Chosen">What is done.</param>
/// <param name="Reason">Why.</param>
internal sealed record PlanFallback(bool Weakens, string Part, string Chosen, string Reason);

/// <summary>Finds what a plan has fallen back to. Pure: what the planner decided is seen in the spec, the facts and the plan.</summary>
internal static class PlanFallbacks
{
    internal static IEnumerable<PlanFallback> Of(LaunchPlan plan) =>
        [.. Processes(plan), .. Groups(plan), .. Ids(plan), .. Mounts(plan), .. Network(plan), .. Rights(plan)];

    private static IEnumerable<PlanFallback> Processes(LaunchPlan plan)
    {
        if (!plan.Facts.HasClone3)
            yield return new(false, "process", "created by clone(2)", "clone3(2) is refused to this process");
        if (plan.Spec.Form is { } wanted && wanted != plan.Form)
            yield return new(false, "launch form", plan.Form.ToString(), $"{wanted} has no room for what this container needs");
    }

    private static IEnumerable<PlanFallback> Groups(LaunchPlan plan)
    {
        CgroupFacts facts = plan.Facts.Cgroups;
        if (plan.Spec.Cgroup == CgroupUse.SharedWithParent)
            yield break;
        if (plan.Slots.Cgroup is not { } cgroup)
        {
            yield return new(true, "control group", "this process's own, without a limit of processes", facts.Obstacle
                ?? (facts.Mode == CgroupMode.None ? "control groups are not mounted"
                    : "one of its own would move this process to a scope"));
            yield break;
        }

        if (plan.Spec.Resources["pids.max"] is null && !HasController(facts, "pids"))
            yield return new(true, "limit of processes", "none", "the controller pids is not available");
        if (plan.Facts.IsPrivileged && cgroup.Devices is null)
            yield return new(true, "devices", "not restricted", "this host has no device rules for control groups");
    }

    private static IEnumerable<PlanFallback> Ids(LaunchPlan plan)
    {
        HostFacts facts = plan.Facts;
        if (!OwnsUserNamespace(plan))
            yield break;
        NamespaceSettings settings = plan.Spec.Namespaces;
        if (settings.User == UserNamespaceMode.Auto && settings.UserIds is null)
            yield return new(false, "user namespace", "a new one", facts.PrivilegeObstacle);
        if (facts.IsPrivileged && settings.UserIds is null && (facts.SubUserIds.IsEmpty || facts.SubGroupIds.IsEmpty))
        {
            yield return new(true, "id map", "the host's ids unchanged",
                "no ids are granted to this user in /etc/subuid and /etc/subgid");
        }
    }

    private static IEnumerable<PlanFallback> Mounts(LaunchPlan plan)
    {
        if (plan.Spec.Mounts.Any(m => m is Cgroup2Mount) && plan.Facts.Cgroups.Hierarchies.V2 is null)
            yield return new(false, "mount of cgroup2", "left out", "version 2 of control groups is not mounted");
        if (plan.Spec.Rootfs is HostRootfs && OwnsUserNamespace(plan))
            yield return new(false, "root", "an overlay for each directory", "a user namespace may not lay one over the whole root");
    }

    private static IEnumerable<PlanFallback> Network(LaunchPlan plan)
    {
        if (plan.Spec.Network.Network is UserModeNetwork { Stack: UserModeStackKind.Auto } && plan.Facts.Pasta is null)
            yield return new(false, "network", "slirp4netns", "pasta is not installed");
    }

    private static IEnumerable<PlanFallback> Rights(LaunchPlan plan)
    {
        if (plan.Spec.Security.Landlock?.Plan(plan.Facts.LandlockAbi) is { NotEnforced.IsEmpty: false } report)
            yield return new(true, "Landlock", $"without {report.NotEnforced}", $"this kernel has ABI {report.Abi}");
    }

    private static bool OwnsUserNamespace(LaunchPlan plan) =>
        plan.Asked.Joined.All(j => j.Kind != NamespaceKinds.User)
        && plan.Spec.Namespaces.User is var mode && (mode == UserNamespaceMode.New
            || (mode == UserNamespaceMode.Auto && !plan.Facts.IsPrivileged));

    private static bool HasController(CgroupFacts facts, string name) =>
        facts.Controllers.Contains(name) || facts.Hierarchies.V1.ContainsKey(name);
}
