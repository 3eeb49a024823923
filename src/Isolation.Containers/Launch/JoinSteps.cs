using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>Lowers the joining of running processes' namespaces.</summary>
/// <remarks>A PID namespace holds children only, and a user namespace must be entered before others are made in it: both need an
/// intermediate process that joins and then clones the real one, as its own sibling, a child of this process.</remarks>
internal sealed class JoinSteps
{
    private readonly ImmutableArray<(JoinedNamespace Namespace, Slot File)> _joined;
    private readonly Slot _idWrite = new("id-write"), _child = new("child");

    internal JoinSteps(NamespaceSettings settings, HostFacts facts)
    {
        IEnumerable<JoinedNamespace> joined = settings.Joined;
        // An ordinary user may enter what belongs to its container only from the container's user namespace.
        if (!settings.Joined.IsEmpty && !facts.IsPrivileged && settings.Joined.All(j => j.Kind != NamespaceKinds.User))
            joined = joined.Prepend(new JoinedNamespace(NamespaceKinds.User, settings.Joined[0].ProcessId));
        _joined = [.. joined.OrderBy(j => j.Kind == NamespaceKinds.User ? 0 : 1).Select(j => (j, new Slot("ns-" + j.Kind.FileName())))];
        JoinsUser = _joined.Any(j => j.Namespace.Kind == NamespaceKinds.User);
        NeedsClone = JoinsUser || (Any && settings.User == UserNamespaceMode.New) || _joined.Any(j => j.Namespace.Kind == NamespaceKinds.Pid);
    }

    internal bool Any => !_joined.IsEmpty;

    internal bool JoinsUser { get; }

    /// <summary>Whether an intermediate process is needed.</summary>
    internal bool NeedsClone { get; }

    /// <summary>Where this process reads the real process's id.</summary>
    internal Slot IdRead { get; } = new("id-read");

    internal IEnumerable<PlanStep> Open()
    {
        foreach ((JoinedNamespace joined, Slot file) in _joined)
        {
            string path = string.Create(CultureInfo.InvariantCulture, $"/proc/{joined.ProcessId}/ns/{joined.Kind.FileName()}");
            yield return new PlanStep($"open the {joined.Kind.FileName()} namespace of", Subject(joined),
                [new SyscallStep(Syscall.openat, StepArgument.CurrentDirectory, path, StepArgument.Flags(Fcntl.O_RDONLY | Fcntl.O_CLOEXEC, "O_RDONLY|O_CLOEXEC")) { Result = file }])
            {
                Hint = errno => errno switch
                {
                    Errno.ENOENT => "There is no such process.",
                    Errno.EACCES => "Its namespaces may be opened by its own user and by root only.",
                    _ => null,
                },
            };
        }

        if (NeedsClone)
        {
            StepArgument pair = StepArgument.DescriptorPair(IdRead, _idWrite);
            yield return new PlanStep("make a pipe for", "the process id",
                [new SyscallStep(Syscall.pipe2, pair, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC"))]);
        }
    }

    /// <summary>The steps of the sealed image: untraceable first, since those inside may try to trace who comes in.</summary>
    internal IEnumerable<PlanStep> Steps(StepArgument parentPoll, NamespaceKinds made)
    {
        yield return ProcessSteps.SetDumpable(false);
        foreach ((JoinedNamespace joined, Slot file) in _joined)
            yield return NamespaceSteps.Join(file, joined.Kind, Subject(joined));
        if (NeedsClone)
        {
            yield return Clone(made);
            yield return ProcessSteps.DieWithParent(parentPoll); // not inherited by a clone
        }

        if (JoinsUser)
            yield return CredentialSteps.BecomeRoot(joined: true);
    }

    private PlanStep Clone(NamespaceKinds made)
    {
        ulong flags = (ulong)made | Sched.CLONE_PARENT;
        StepArgument arguments = StepArgument.Words($"{{flags=CLONE_PARENT|{made.CloneNames()}}}", flags, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0);
        return new PlanStep("create the real process in", string.Join(", ", made.Each().Select(k => k.FileName())),
        [
            new SyscallStep(Syscall.clone3, arguments, 88) { Result = _child, Rule = StepRule.ZeroContinues, SkipOnSuccess = 1 },
            new SyscallStep(Syscall.getpid) { SkipOnSuccess = 2 }, // the child goes past the intermediate's part
            new SyscallStep(Syscall.write, _idWrite, StepArgument.AddressOf(_child), 8),
            new SyscallStep(Syscall.exit_group, 0),
        ]);
    }

    private static string Subject(JoinedNamespace joined) => string.Create(CultureInfo.InvariantCulture, $"process {joined.ProcessId}");
}
