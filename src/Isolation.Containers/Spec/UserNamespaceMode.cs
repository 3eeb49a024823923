using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>The user namespace of a container.</summary>
public enum UserNamespaceMode
{
    /// <summary>One of its own for an ordinary user, who needs it for everything else; the host's for root.</summary>
    Auto,

    /// <summary>One of its own.</summary>
    New,

    /// <summary>The host's: its root is the host's root, held only by capabilities, mounts and what else is set.</summary>
    Host,
}
