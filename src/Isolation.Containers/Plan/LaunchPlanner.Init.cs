using System.Collections.Frozen;
using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Process 1 of a container that has an init: it adopts and reaps, and is beyond the reach of all others inside.</summary>
internal sealed partial class LaunchPlanner
{
    // A program that adopts, reaps and passes signals on by itself, or insists on being process 1.
    private static readonly FrozenSet<string> s_inits = FrozenSet.ToFrozenSet(
        ["init", "systemd", "tini", "tini-static", "dumb-init", "catatonit", "docker-init", "s6-svscan", "runit", "runit-init",
            "openrc-init", "dinit"], StringComparer.Ordinal);

    // What it still does after this is loaded: it closes its descriptors, waits, and ends; write(2) could tell of a failure until then.
    private static readonly SeccompFilter s_initFilter = SeccompFilter.Of(SeccompAction.KillProcess)
        .Allow("close_range", "ppoll", "exit_group", "write");

    private readonly bool _hasInit;

    /// <summary>Whether the program is told to be an init by its name.</summary>
    private bool IsInit => s_inits.Contains(Path.GetFileName(_spec.Command[0]));

    private bool ChooseInit()
    {
        if (_spec.Init == true && !Owns(NamespaceKinds.Pid))
            throw new SpecException(new SpecFault("init", "needs a PID namespace of the container's own, whose process 1 it is", "true"));
        // The other forms have only one process, which becomes the program.
        return _spec.Init ?? (Owns(NamespaceKinds.Pid) && !IsInit && _spec.Form is null or LaunchForm.Sealed);
    }

    /// <summary>What the clone makes; a PID namespace is made by the intermediate process, whose children are born in it,
    /// and all others where it must join first.</summary>
    private NamespaceKinds ClonedNamespaces => _join.NeedsClone ? NamespaceKinds.None
        : _hasInit ? NewNamespaces & ~NamespaceKinds.Pid
        : NewNamespaces;

    /// <summary>The control group is entered by the clone of the program's process, which needs the ids that this process has.</summary>
    private bool BecomesRootLate => _siblings is not null && _cgroup is not null && _userNamespace is { IsNew: true, CanChangeIds: true };

    // Beside those of the id maps, for which what the clone made waits.
    private readonly Slot _programReadyRead = new("program-ready-read"), _programReadyWrite = new("program-ready-write");
    private readonly Slot _programGoRead = new("program-go-read"), _programGoWrite = new("program-go-write");

    /// <summary>Whether the program's process waits for its network, rather than what the clone made.</summary>
    private bool ProgramWaits => _siblings is not null && HasNetwork;

    private void AddSiblingChannels(SiblingSteps siblings)
    {
        Add(StepSide.Parent, siblings.OpenSocket());
        if (ProgramWaits)
            Add(StepSide.Parent,
                Pipe("make pipes for", "the network", (_programReadyRead, _programReadyWrite), (_programGoRead, _programGoWrite)));
    }

    private void AddSiblings(SiblingSteps siblings)
    {
        // The init is in all of the container's namespaces but the control group's: /proc/1 shows nothing of the host's.
        if (_start.NetworkPool is not null)
            Add(Inside, JoinPool);
        NamespaceKinds made = NewNamespaces & ~ClonedNamespaces;
        if (made != NamespaceKinds.None)
            Add(Inside, NamespaceSteps.Leave(made));
        Add(Inside, siblings.Begin());
        PlanStep? becomeRoot = _join.JoinsUser || BecomesRootLate ? CredentialSteps.BecomeRoot(_join.JoinsUser) : null;
        if (_hasInit)
            Add(Inside, siblings.MakeInit(InitBefore(becomeRoot), InitAfter()));
        Add(Inside, siblings.MakeProgram(_cgroup?.Into));
        Add(Inside, ProcessSteps.DieWithParent(_parentPoll)); // not inherited by a clone
        if (_cgroup is not null)
            Add(Inside, _cgroup.Enter());
        if (becomeRoot is not null)
            Add(Inside, becomeRoot);
        Add(Inside, _join.EnterLate());
        if (!ProgramWaits)
            return;
        Add(Inside, ProcessSteps.AwaitParent(_programReadyWrite, _programGoRead, _programGoWrite));
        AddNetworkConnection();
    }

    private PlanStep JoinPool => NamespaceSteps.Join(_pooledNet, NamespaceKinds.Net, "the pool");

    private void AddCgroupNamespace()
    {
        if (LateNamespaces != NamespaceKinds.None)
            Add(Inside, NamespaceSteps.Leave(LateNamespaces));
    }

    // No capability, and not dumpable: then no other process's memory, descriptors or root can be reached through /proc, nor the process
    // traced, but with CAP_SYS_PTRACE in the user namespace. The root switch takes its root and working directory along.
    private IEnumerable<SyscallStep> InitBefore(PlanStep? becomeRoot) =>
    [
        .. becomeRoot?.Calls ?? [],
        .. _spec.DieWithParent ? ProcessSteps.DieWithParent(_parentPoll).Calls : [],
        SignalSteps.Ignore(Signal.SIGCHLD),
        new SyscallStep(Syscall.chdir, "/"),
        .. ProcessSteps.SetName("init").Calls,
        .. CapabilitySteps.Set(CapabilitySet.None, CapabilitySet.None, CapabilitySet.None).Calls,
        .. NoNewPrivileges.Step.Calls,
        .. ProcessSteps.SetDumpable(false).Calls,
    ];

    // Children are reaped by the kernel while SIGCHLD is ignored, and every signal is blocked: there is nothing to be done but to wait.
    private ImmutableArray<SyscallStep> InitAfter()
    {
        SyscallStep session = new(Syscall.setsid), filter = SeccompSteps.Load(s_initFilter.WithArchitectures(HostArchitecture)).Calls[0];
        if (_spec.DieWithParent)
        {
            return
            [
                session,
                filter,
                new SyscallStep(Syscall.close_range, 0, StepArgument.Flags(uint.MaxValue, "~0"), 0),
                new SyscallStep(Syscall.ppoll, StepArgument.Null, 0, StepArgument.Null, StepArgument.Null, 8)
                {
                    Tolerated = [Errno.EINTR],
                    SkipOnTolerated = -1
                },
                new SyscallStep(Syscall.exit_group, 0),
            ];
        }

        // Without this process nobody else would notice the program's end, and end the rest. The program's process was born second.
        Slot program = new("program-2");
        StepArgument poll = new DataArgument("[{0, POLLIN}]", [0, 0, 0, 0, 1, 0, 0, 0]);
        return
        [
            session,
            new SyscallStep(Syscall.pidfd_open, 2, 0) { Result = program },
            new SyscallStep(Syscall.dup3, program, 0, 0),
            filter,
            new SyscallStep(Syscall.close_range, 1, StepArgument.Flags(uint.MaxValue, "~0"), 0),
            new SyscallStep(Syscall.ppoll, poll, 1, StepArgument.Null, StepArgument.Null, 8)
            {
                Tolerated = [Errno.EINTR],
                SkipOnTolerated = -1
            },
            new SyscallStep(Syscall.exit_group, 0),
        ];
    }
}
