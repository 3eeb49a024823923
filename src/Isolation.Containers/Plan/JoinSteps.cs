using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers the joining of running processes' namespaces.</summary>
/// <remarks>A PID namespace holds children only, and a user namespace must be entered before others are made in it: both need an
/// intermediate process that joins, and then makes the real one; see <see cref="SiblingSteps"/>.</remarks>
internal sealed class JoinSteps
{
    private readonly ImmutableArray<(JoinedNamespace Namespace, Slot File)> _joined;
    private readonly List<(JoinedNamespace Joined, Slot File, Slot Source)> _held = [];

    internal JoinSteps(ContainerStart start, HostFacts facts)
    {
        IEnumerable<JoinedNamespace> joined = start.Joined;
        // An ordinary user may enter what belongs to its container only from the container's user namespace.
        if (!facts.IsPrivileged && start.Joined.All(j => j.Kind != NamespaceKinds.User)
            && start.Joined.Select(j => j.Handle).OfType<PidHandle>().FirstOrDefault() is { } process)
            joined = joined.Prepend(new JoinedNamespace(NamespaceKinds.User, process));
        foreach (JoinedNamespace one in joined)
        {
            if (_held.All(h => h.Joined.Handle != one.Handle))
                _held.Add((one, new Slot("joined-" + _held.Count.ToString(CultureInfo.InvariantCulture)),
                    new Slot("callers-joined-" + _held.Count.ToString(CultureInfo.InvariantCulture))));
        }

        _joined = [.. joined.OrderBy(j => j.Kind == NamespaceKinds.User ? 0 : 1)
            .Select(j => (j, _held.First(h => h.Joined.Handle == j.Handle).File))];
        JoinsUser = _joined.Any(j => j.Namespace.Kind == NamespaceKinds.User);
        NeedsClone = JoinsUser || (Any && start.Spec.Namespaces.User == UserNamespaceMode.New)
            || _joined.Any(j => j.Namespace.Kind == NamespaceKinds.Pid);
    }

    internal bool Any => !_joined.IsEmpty;

    internal bool JoinsUser { get; }

    /// <summary>The process whose IPC namespace is joined, held by its pidfd; null where none is, or the namespace itself is
    /// held.</summary>
    internal (Slot Process, string Subject)? IpcProcess =>
        _joined.Where(j => j.Namespace is { Kind: NamespaceKinds.Ipc, ProcessId: not null })
        .Select(j => ((Slot, string)?)(j.File, j.Namespace.Subject)).FirstOrDefault();

    /// <summary>Slots that are filled with descriptors of the caller's handles before the launch.</summary>
    internal IEnumerable<(Slot Slot, SafeHandle Handle)> Presets => _held.Select(h => (h.Source, (SafeHandle)h.Joined.Handle));

    /// <summary>Whether an intermediate process is needed.</summary>
    internal bool NeedsClone { get; }

    internal IEnumerable<PlanStep> Open()
    {
        // Copies, since the others are the caller's and are not closed with the launch's.
        foreach ((JoinedNamespace joined, Slot file, Slot source) in _held)
        {
            SyscallStep copy = new(Syscall.fcntl, source, StepArgument.Flags(Fcntl.F_DUPFD_CLOEXEC, "F_DUPFD_CLOEXEC"), 3)
            { Result = file };
            yield return new PlanStep("hold", joined.Subject, [copy]);
        }
    }

    /// <summary>The first steps of the sealed image: untraceable at once, since those inside may try to trace who comes in.</summary>
    internal IEnumerable<PlanStep> Enter() => Enter(late: false).Prepend(ProcessSteps.SetDumpable(false));

    /// <summary>The steps of the real process: a control group may be entered only from outside of a cgroup namespace.</summary>
    internal IEnumerable<PlanStep> EnterLate() => Enter(late: true);

    private IEnumerable<PlanStep> Enter(bool late) => _joined.Where(j => (j.Namespace.Kind == NamespaceKinds.Cgroup) == late)
        .Select(j => NamespaceSteps.Join(j.File, j.Namespace.Kind, j.Namespace.Subject));
}
