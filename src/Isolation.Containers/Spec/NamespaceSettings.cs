using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Which namespaces the container has of its own, and which it shares with the host.</summary>
/// <example><code>
/// builder = builder.WithSpec(spec => spec with { Namespaces = spec.Namespaces with { SharedWithHost = NamespaceKinds.Net } });
/// </code></example>
public sealed record NamespaceSettings
{
    /// <summary>Kinds that are the host's; none by default. Mount and user cannot be named here.</summary>
    public NamespaceKinds SharedWithHost { get; init; }

    /// <summary>Whether there is a user namespace of its own.</summary>
    public UserNamespaceMode User { get; init; }

    /// <summary>Its user ids; null lets the plan choose: the caller's own id, or the ranges granted to it.</summary>
    public IdMap? UserIds { get; init; }

    /// <summary>Its group ids; null lets the plan choose.</summary>
    public IdMap? GroupIds { get; init; }

    /// <summary>The offsets of its clocks; null for no time namespace.</summary>
    public TimeOffsets? TimeOffsets { get; init; }

    /// <summary>Whether <c>lo</c> is set up in a network namespace of its own.</summary>
    public bool LoopbackUp { get; init; } = true;
}
