using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Who writes the id maps of a new user namespace.</summary>
internal enum IdMapWriter
{
    /// <summary>The new process: one id, its own.</summary>
    Self,

    /// <summary>This process, which holds CAP_SETUID and CAP_SETGID.</summary>
    Parent,

    /// <summary>newuidmap and newgidmap, for ranges granted to an ordinary user.</summary>
    Helpers,
}

/// <summary>What is decided about the user namespace: whether it is new, its maps, and who writes them.</summary>
internal sealed record UserNamespacePlan(bool IsNew, IdMap? Users, IdMap? Groups, IdMapWriter Writer)
{
    private static readonly UserNamespacePlan s_host = new(false, null, null, IdMapWriter.Self);

    /// <summary>Whether the process may change its groups and ids: not with a map of a single id.</summary>
    internal bool CanChangeIds => !IsNew || Writer != IdMapWriter.Self;

    internal static UserNamespacePlan Decide(ContainerSpec spec, HostFacts facts, ResolvedUser user)
    {
        NamespaceSettings settings = spec.Namespaces;
        if (settings.User == UserNamespaceMode.Host && !facts.IsPrivileged)
        {
            throw new KernelFeatureException("a container in the host's user namespace", facts.PrivilegeObstacle,
                "Run as root, or let the container have a user namespace of its own.");
        }

        if (settings.User == UserNamespaceMode.Host || (settings.User == UserNamespaceMode.Auto && facts.IsPrivileged))
            return s_host;
        if (facts.UserNamespaceObstacle is { } obstacle)
            throw new KernelFeatureException("a user namespace", obstacle, facts.UserNamespaceRemedy);
        UserNamespacePlan plan = settings.UserIds is { } users
            ? new(true, users, settings.GroupIds, IdMapWriter.Self)
            : ChooseMaps(facts, user);
        plan = plan with { Writer = ChooseWriter(plan, facts) };
        plan.RequireMapped(user);
        return plan;
    }

    private static UserNamespacePlan ChooseMaps(HostFacts facts, ResolvedUser user)
    {
        if (facts.IsPrivileged)
        {
            // Granted ranges keep the container's root apart from the host's; without them only capabilities are.
            return facts.SubUserIds.IsEmpty || facts.SubGroupIds.IsEmpty
                ? new(true, new IdMap(new IdMapRange(0, 0, uint.MaxValue)),
                    new IdMap(new IdMapRange(0, 0, uint.MaxValue)), IdMapWriter.Parent)
                : new(true, Shifted(facts.SubUserIds[0]), Shifted(facts.SubGroupIds[0]), IdMapWriter.Parent);
        }

        // Root of a user namespace may hand on every id that it has.
        if (facts is { OwnUserIds: { } own, OwnGroupIds: { } ownGroups }
            && (own.Ranges is not [{ Count: 1 }] || ownGroups.Ranges is not [{ Count: 1 }])
            && facts.Capabilities.Contains(CapabilitySet.Of(Capability.Setuid, Capability.Setgid, Capability.Setfcap)))
            return new(true, Unchanged(own), Unchanged(ownGroups), IdMapWriter.Parent);
        // One id needs no helper. Ranges are taken where more ids are needed and they are there.
        bool ranges = !user.Groups.IsEmpty && facts.NewUidMap is not null && facts.NewGidMap is not null;
        return ranges && SubIdFile.ToMap(facts.UserId, facts.SubUserIds) is { } u
            && SubIdFile.ToMap(facts.GroupId, facts.SubGroupIds) is { } g
            ? new(true, u, g, IdMapWriter.Helpers)
            : new(true, IdMap.Single(user.UserId, facts.UserId), IdMap.Single(user.GroupId, facts.GroupId), IdMapWriter.Self);
    }

    private static IdMap Shifted(SubIdFile.Grant grant) => new(new IdMapRange(0, grant.Start, grant.Count));

    private static IdMap Unchanged(IdMap own) => new(own.Ranges.Select(r => r with { Outside = r.Inside }));

    private static IdMapWriter ChooseWriter(UserNamespacePlan plan, HostFacts facts)
    {
        if (plan.Users!.Ranges is [{ Count: 1 } user] && user.Outside == facts.UserId
            && plan.Groups!.Ranges is [{ Count: 1 } group] && group.Outside == facts.GroupId)
            return IdMapWriter.Self;
        if (facts.Capabilities.Contains(CapabilitySet.Of(Capability.Setuid, Capability.Setgid)))
            return IdMapWriter.Parent;
        if (facts.NewUidMap is not null && facts.NewGidMap is not null)
            return IdMapWriter.Helpers;
        throw new KernelFeatureException("an id map of several ids", "newuidmap and newgidmap are not installed",
            "Install the package uidmap, and grant ranges in /etc/subuid and /etc/subgid; or map only your own id.");
    }

    private void RequireMapped(ResolvedUser user)
    {
        var faults = new List<SpecFault>();
        if (Users!.ToOutside(user.UserId) is null)
            faults.Add(new SpecFault("process.user.uid", "must be in the user id map", Text(user.UserId)));
        foreach (uint group in user.Groups.Prepend(user.GroupId).Where(g => Groups!.ToOutside(g) is null))
            faults.Add(new SpecFault("process.user.gid", "must be in the group id map", Text(group)));
        if (Writer == IdMapWriter.Self && !user.Groups.IsEmpty)
            faults.Add(new SpecFault("process.user.additionalGids",
                "need a map of ranges, since setgroups(2) is denied with a single id", null));
        if (faults.Count > 0)
            throw new SpecException(faults);
    }

    private static string Text(uint id) => id.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
