using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Which namespaces the container has of its own, shares, or joins.</summary>
public sealed record NamespaceSettings
{
    /// <summary>Kinds that are the host's; none by default. Mount and user cannot be named here.</summary>
    public NamespaceKinds SharedWithHost { get; init; }

    /// <summary>Namespaces that it enters.</summary>
    public ImmutableArray<JoinedNamespace> Joined { get; init; } = [];

    /// <summary>Whether there is a user namespace of its own.</summary>
    public UserNamespaceMode User { get; init; }

    /// <summary>Its user ids; null lets the plan choose: the caller's own id, or the ranges granted to it.</summary>
    public IdMap? UserIds { get; init; }

    /// <summary>Its group ids; null lets the plan choose.</summary>
    public IdMap? GroupIds { get; init; }

    /// <summary>What its clocks differ by; null means no time namespace.</summary>
    public TimeOffsets? TimeOffsets { get; init; }

    /// <summary>Whether <c>lo</c> is set up in a network namespace of its own.</summary>
    public bool LoopbackUp { get; init; } = true;

    /// <inheritdoc/>
    public bool Equals(NamespaceSettings? other) => other is not null && SharedWithHost == other.SharedWithHost
        && Joined.AsSpan().SequenceEqual(other.Joined.AsSpan()) && User == other.User && UserIds == other.UserIds
        && GroupIds == other.GroupIds
        && TimeOffsets == other.TimeOffsets && LoopbackUp == other.LoopbackUp;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(SharedWithHost, Joined.Length, User, UserIds, GroupIds, TimeOffsets, LoopbackUp);
}
