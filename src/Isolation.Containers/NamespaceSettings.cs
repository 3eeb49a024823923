using System.Collections.Immutable;
using System.Globalization;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Whether the container has a user namespace of its own.</summary>
public enum UserNamespaceMode
{
    /// <summary>One of its own for an ordinary user, who needs it for everything else; the host's for root.</summary>
    Auto,

    /// <summary>One of its own.</summary>
    New,

    /// <summary>The host's: its root is the host's root, held only by capabilities, mounts and what else is set.</summary>
    Host,
}

/// <summary>A namespace of a running process that the container enters instead of having its own.</summary>
/// <param name="Kind">Exactly one kind; any but mount.</param>
/// <param name="ProcessId">The process, as seen by the caller.</param>
public sealed record JoinedNamespace(NamespaceKinds Kind, int ProcessId)
{
    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Kind.FileName()} of process {ProcessId}");
}

/// <summary>Which namespaces the container has of its own, shares, or joins.</summary>
public sealed record NamespaceSettings
{
    /// <summary>Kinds that are the host's; none by default. Mount and user cannot be named here.</summary>
    public NamespaceKinds SharedWithHost { get; init; }

    /// <summary>Namespaces of running processes.</summary>
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
        && Joined.AsSpan().SequenceEqual(other.Joined.AsSpan()) && User == other.User && UserIds == other.UserIds && GroupIds == other.GroupIds
        && TimeOffsets == other.TimeOffsets && LoopbackUp == other.LoopbackUp;

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(SharedWithHost, Joined.Length, User, UserIds, GroupIds, TimeOffsets, LoopbackUp);
}
