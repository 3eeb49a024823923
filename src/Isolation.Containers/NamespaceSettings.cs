using System.Collections.Immutable;
using Isolation.Linux;
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

/// <summary>A namespace that the container enters instead of having its own. Held by a descriptor from here to the start:
/// a process's number could be another process's by then.</summary>
/// <remarks>setns(2), which takes pidfds since Linux 5.8. The handle stays the caller's,
/// and must be open until the start is asked for.</remarks>
public sealed record JoinedNamespace
{
    /// <summary>A namespace of a process, which must still run when the container starts.</summary>
    /// <param name="kind">Exactly one kind; any but mount and time.</param>
    /// <param name="process">The process.</param>
    public JoinedNamespace(NamespaceKinds kind, PidHandle process)
    {
        ArgumentNullException.ThrowIfNull(process);
        (Kind, Handle) = (kind, process);
    }

    /// <summary>A namespace itself: pinned to a file, or kept by its handle after its processes have ended.</summary>
    /// <param name="joined">The namespace; any but mount and time.</param>
    public JoinedNamespace(Namespace joined)
    {
        ArgumentNullException.ThrowIfNull(joined);
        (Kind, Handle, Subject) = (joined.Kind, joined.Handle, joined.ToString());
    }

    /// <summary>Its kind.</summary>
    public NamespaceKinds Kind { get; }

    /// <summary>The id of its process, as seen by the caller; null where the namespace itself is held.</summary>
    public int? ProcessId => (Handle as PidHandle)?.ProcessId;

    /// <summary>What setns(2) takes: a pidfd, or a descriptor of the namespace.</summary>
    internal LinuxHandle Handle { get; }

    /// <summary>Whose namespace it is, for people.</summary>
    internal string Subject { get => field ?? Handle.ToString()!; }

    /// <inheritdoc/>
    public override string ToString() => $"{Kind.FileName()} of {Subject}";
}

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
