using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>A namespace that the container enters instead of having its own. Held by a descriptor from here to the start:
/// a process's number could be another process's by then.</summary>
/// <remarks>setns(2), which takes pidfds since Linux 5.8. The handle stays the caller's,
/// and must be open until the start is asked for.</remarks>
/// <example><code>
/// using PidHandle process = PidHandle.Open(processId);
/// builder = builder.AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Ipc, process);
/// </code></example>
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
