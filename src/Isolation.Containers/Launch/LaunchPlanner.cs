using System.Collections.Immutable;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Net;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Turns a spec and the facts of a host into a plan: a pure function. The order of the steps, and why, is here.</summary>
internal sealed partial class LaunchPlanner
{
    private readonly ContainerSpec _given, _spec;
    private readonly HostFacts _facts;
    private readonly ResolvedUser _user;
    private readonly UserNamespacePlan _userNamespace;
    private readonly MountContext _mounts;
    private readonly JoinSteps _join;
    private readonly TerminalSteps? _terminal;
    private readonly StreamSteps _streams;
    private readonly LaunchForm _form;
    private readonly CgroupLaunch? _cgroup;
    private readonly ListenerSteps? _listener;
    private readonly Slot _parentThread = new("parent-thread"), _root = new("root"), _sealedFile = new("sealed-image"), _report = new("report");
    private readonly Slot _readyRead = new("ready-read"), _readyWrite = new("ready-write"), _goRead = new("go-read"), _goWrite = new("go-write");
    private readonly Slot _pooledNet = new("pooled-net");
    private readonly StepArgument _parentPoll;

    private readonly ImmutableArray<PlanEntry>.Builder _entries = ImmutableArray.CreateBuilder<PlanEntry>();

    internal LaunchPlanner(ContainerSpec spec, HostFacts facts, ResolvedUser user)
    {
        _given = spec;
        _facts = facts;
        _spec = spec = WithNetworkFiles(spec);
        _user = user;
        _join = new JoinSteps(spec.Namespaces, facts);
        _userNamespace = _join.JoinsUser ? new UserNamespacePlan(false, null, null, IdMapWriter.Self) : UserNamespacePlan.Decide(spec, facts, user);
        _parentPoll = ProcessSteps.ParentPoll(_parentThread);
        _terminal = spec.Terminal ? new TerminalSteps() : null;
        _streams = new StreamSteps(spec);
        bool inUserNamespace = _userNamespace.IsNew || _join.JoinsUser;
        bool staged = spec.Rootfs is HostRootfs or OverlayRootfs { UpperDirectory: null } || spec.Mounts.Any(m => m is FileMount or OverlayMount { UpperDirectory: null });
        _mounts = new MountContext(
            new InRoot(_root, facts.Architecture),
            CanMakeNodes: !inUserNamespace && facts.Capabilities.Contains(Capability.Mknod),
            TerminalGroup: !inUserNamespace || _userNamespace.Groups?.ToOutside(5) is not null ? 5 : null,
            inUserNamespace,
            HasOwnIpc: Owns(NamespaceKinds.Ipc) || !_userNamespace.IsNew,
            staged ? new Slot("staging") : null)
        { Label = spec.Security.SELinuxMountContext?.ToString() };
        _form = ChooseForm();
        _cgroup = ChooseCgroup();
        _listener = NotifiedFilter is null ? null : new ListenerSteps();
    }

    private bool MapsByParent => _userNamespace is { IsNew: true, Writer: not IdMapWriter.Self };

    /// <summary>Whether the child waits for this process: for id maps, or its network.</summary>
    private bool Barrier => MapsByParent || HasNetwork;

    private StepSide Inside => _form == LaunchForm.Sealed ? StepSide.Sealed : StepSide.Borrowed;

    internal LaunchPlan Plan()
    {
        RequirePossible();
        AddParentSteps();
        AddBorrowedSteps();
        if (_join.Any)
            Add(Inside, _join.Steps(_parentPoll, NewNamespaces));
        if (_join.Any && LateNamespaces != NamespaceKinds.None)
            Add(Inside, NamespaceSteps.Leave(LateNamespaces));
        AddRootSteps();
        AddHostSteps();
        AddProcessSteps();
        if (_form == LaunchForm.Sealed)
            AddSealedStart();
        return new LaunchPlan(_given, _facts, _user, [.. _entries], Launch());
    }

    private void RequirePossible()
    {
        if (_spec.Terminal && !_spec.Mounts.Any(m => m is DevMount))
            throw new SpecException(new SpecFault("process.terminal", "needs a /dev mount of its own", null));
        if (_spec.Sysctls.Count > 0 && !_spec.Mounts.Any(m => m is ProcMount))
            throw new SpecException(new SpecFault("linux.sysctl", "needs a /proc mount of its own", null));
        if (_form == LaunchForm.Forked && (_spec.TimeSteps || _spec.Namespaces.TimeOffsets is not null))
            throw new SpecException(new SpecFault("form", "must share memory or be sealed for time offsets and step times", "Forked"));
        if (!_facts.HasClone3 && (_join.NeedsClone || _spec.Namespaces.TimeOffsets is not null))
        {
            // clone(2) has no room for the time namespace's flag, and the join's intermediate has no other call.
            throw new KernelFeatureException(_join.NeedsClone ? "joining a PID or user namespace" : "a time namespace", "clone3(2) is refused to this process",
                "Allow clone3 in the seccomp filter of the outer container.");
        }

        RequirePossibleSecurity();
        RequirePossibleNetwork();
        CapabilitySet missing = _userNamespace.IsNew || _join.JoinsUser ? CapabilitySet.None : _spec.Capabilities.Permitted.Except(_facts.Capabilities);
        if (!missing.IsEmpty)
        {
            throw new KernelFeatureException($"the capabilities {missing}", "this process does not have them itself",
                "Leave them out, or start this process with them.");
        }

        bool idMapped = _spec.Rootfs is DirectoryRootfs { IdMapped: true } || _spec.Mounts.Any(m => m is BindMount { IdMapped: true });
        if (idMapped && (!_facts.IsPrivileged || _userNamespace.Users is null))
        {
            throw new KernelFeatureException("an idmapped mount", _facts.IsPrivileged ? "the container has no user namespace of its own" : "this process lacks CAP_SYS_ADMIN",
                "Run as root, and give the container a user namespace with an id map.");
        }
    }

    /// <summary>In memory unless the workload could write this program's file, joins something, or needs a process of its own to start from.</summary>
    private LaunchForm ChooseForm()
    {
        // Memory that is shared with this process must not get a setting that this process could not live with.
        bool needsOwnProcess = _spec.Init || _join.Any || _spec.Security.DenyWriteExecute;
        // An ordinary user's ids cannot be changed in shared memory without making this process undumpable to itself.
        bool changesIds = _userNamespace is { IsNew: true, Writer: IdMapWriter.Helpers };
        bool reachesExecutable = _userNamespace.IsNew
            ? _userNamespace.Users!.ToInside(_facts.ExecutableOwner) is not null
            : _user.UserId == _facts.ExecutableOwner || !_spec.Capabilities.Bounding.IsEmpty;
        if (needsOwnProcess || changesIds)
            return LaunchForm.Sealed;
        return _spec.Form ?? (reachesExecutable ? LaunchForm.Sealed : LaunchForm.InMemory);
    }

    private void AddParentSteps()
    {
        AddOpenedTrees();
        if (_cgroup is not null)
            AddCgroup(_cgroup);
        AddNetworkLease();
        if (Barrier)
            Add(StepSide.Parent, Pipe("make pipes for", MapsByParent ? "the id maps" : "the network", (_readyRead, _readyWrite), (_goRead, _goWrite)));
        if (_join.Any)
            Add(StepSide.Parent, _join.Open());
        if (_terminal is not null)
            Add(StepSide.Parent, _terminal.OpenSocket());
        if (_listener is not null)
            Add(StepSide.Parent, _listener.OpenSocket());
        Add(StepSide.Parent, _streams.Open());
        Add(StepSide.Parent, new PlanStep("create the process in", _join.NeedsClone ? "this process's namespaces" : NamespaceNames(NewNamespaces), []));
        if (MapsByParent)
        {
            string how = _userNamespace.Writer == IdMapWriter.Helpers ? "map ids through newuidmap and newgidmap:" : "map user and group ids:";
            Add(StepSide.Handshake, new PlanStep(how, $"\"{_userNamespace.Users}\", \"{_userNamespace.Groups}\"".Replace("\n", ", ", StringComparison.Ordinal), []));
        }

        AddNetworkConnection();
    }

    // First what must come before anything can block, then what needs the memory to be shared, then the ids.
    private void AddBorrowedSteps()
    {
        Add(StepSide.Borrowed, ProcessSteps.DieWithParent(_parentPoll));
        if (_cgroup is not null)
            Add(StepSide.Borrowed, _cgroup.Enter());
        if (_spec.OomScoreAdj is { } score)
            Add(StepSide.Borrowed, ProcessSteps.OomScoreAdj(score));
        if (_userNamespace.IsNew && !MapsByParent)
            Add(StepSide.Borrowed, NamespaceSteps.WriteOwnMaps(_userNamespace.Users!, _userNamespace.Groups!, denySetgroups: true));
        if (Barrier)
            Add(StepSide.Borrowed, ProcessSteps.AwaitParent(_readyWrite, _goRead, _goWrite));
        // With shared memory the child is in the new time namespace only from its execve on, so that it may set the offsets.
        if (_spec.Namespaces.TimeOffsets is { } offsets)
            Add(StepSide.Borrowed, NamespaceSteps.WriteTimeOffsets(offsets));
        if (_userNamespace is { IsNew: true, CanChangeIds: true })
            Add(StepSide.Borrowed, CredentialSteps.BecomeRoot(joined: false));
        else if (_userNamespace.IsNew && _form == LaunchForm.Sealed && _user.UserId != 0)
            Add(StepSide.Borrowed, CredentialSteps.KeepAllAcrossExec(_facts.KnownCapabilities));
        if (LateNamespaces != NamespaceKinds.None && !_join.Any)
            Add(StepSide.Borrowed, NamespaceSteps.Leave(LateNamespaces));
    }

    private void AddRootSteps()
    {
        Add(Inside, ProcessSteps.Umask(0));
        Add(Inside, RootSwitch.SetPropagation(_spec.Mounts.Any(m => m is BindMount { Propagation: not MountPropagation.Private }) ? MountPropagation.Slave : MountPropagation.Private));
        if (_mounts.Staging is { } staging)
            Add(Inside, RootSwitch.Stage(staging));
        Add(Inside, _spec.Rootfs switch
        {
            DirectoryRootfs directory when OpensTrees || directory.IdMapped => [RootSwitch.FromTree(directory.Path, _root)],
            DirectoryRootfs directory => [RootSwitch.FromDirectory(directory.Path, _root)],
            OverlayRootfs overlay => [RootSwitch.FromOverlay(overlay.LowerDirectories, overlay.UpperDirectory, overlay.WorkDirectory, _root, _mounts)],
            HostRootfs when !_mounts.InUserNamespace => [RootSwitch.FromOverlay(["/"], null, null, _root, _mounts)],
            _ => HostRootSteps.Compose(_facts.RootEntries, _root, _mounts),
        });
        // Before the switch: a new proc in a user namespace needs the host's to be still there, and so do bind sources.
        foreach (Mount mount in _spec.Mounts.Where(IsThere))
            Add(Inside, MountSteps.Lower(Possible(mount), _mounts));
        if (_terminal is not null)
            Add(Inside, _terminal.Open(_mounts.Dev!, _user));
    }

    private void AddHostSteps()
    {
        // Before /proc/sys is made read-only.
        foreach ((string name, string value) in _spec.Sysctls)
            Add(Inside, ProcessSteps.Sysctl(name, value, _mounts.Proc!));
        foreach (string path in _spec.ReadOnlyPaths)
            Add(Inside, MountSteps.ReadOnlyPath(path, _mounts));
        foreach (string path in _spec.MaskedPaths)
            Add(Inside, MountSteps.Mask(path, _mounts));
        if (_spec.HostName is { } host)
            Add(Inside, NamespaceSteps.SetHostName(host));
        if (_spec.DomainName is { } domain)
            Add(Inside, NamespaceSteps.SetDomainName(domain));
        if (_spec.NetworkPool is not null)
            Add(Inside, NamespaceSteps.Join(_pooledNet, NamespaceKinds.Net, "the pool"));
        else if (Owns(NamespaceKinds.Net) && _spec.Namespaces.LoopbackUp)
            Add(Inside, Loopback.UpStep());
        Add(Inside, RootSwitch.Switch(_root, _mounts.Staging is not null));
        if (_spec.CreateWorkingDirectory)
            Add(Inside, ProcessSteps.WorkingDirectory(_spec.WorkingDirectory, create: true, _mounts.Paths));
        if (_spec.ReadOnlyRoot)
            Add(Inside, RootSwitch.MakeReadOnly(_root));
        if (!_spec.CreateWorkingDirectory)
            Add(Inside, ProcessSteps.WorkingDirectory(_spec.WorkingDirectory, create: false, _mounts.Paths));
        Add(Inside, _spec.Rlimits.Where(r => !IsLate(r)).Select(r => r.Step));
        AddSchedulingSteps();
    }

    // Credentials after all that needs privileges; the init forks with the program's own credentials; the program's streams and
    // session are its own, not the init's.
    private void AddProcessSteps()
    {
        CapabilitySet present = _userNamespace.IsNew || _join.JoinsUser ? _facts.KnownCapabilities : _facts.Bounding;
        bool changeIds = _userNamespace.CanChangeIds && (_userNamespace.IsNew || _join.JoinsUser || _facts.Capabilities.Contains(Capability.Setuid));
        if (FiltersBeforeCredentials)
            AddFilterSteps();
        Add(Inside, CredentialSteps.Become(_user, _spec.Capabilities, present, changeIds, _join.JoinsUser));
        if (_spec.Security.NewSessionKeyring)
            Add(Inside, SessionKeyring.Join(tolerant: true));
        if (_spec.NoNewPrivileges)
            Add(Inside, NoNewPrivileges.Step);
        if (_spec.Init)
        {
            Add(Inside, LifeStep); // again, since a change of credentials clears it
            Add(Inside, ProcessSteps.SetName("init"));
            Add(Inside, ProcessSteps.ForkFromInit());
        }

        Add(Inside, ProcessSteps.NewSession());
        Add(Inside, _terminal is null ? _streams.Connect() : [_terminal.Connect()]);
        Add(Inside, LifeStep);
        Add(Inside, ProcessSteps.Umask(_spec.Umask ?? 0b000_010_010));
        AddLabelSteps();
        if (_form != LaunchForm.InMemory)
            Add(Inside, SealedSteps.ReportReady(_report));
        Add(Inside, ProcessSteps.CloseOthers());
        Add(Inside, _streams.Pass());
        Add(Inside, ProcessSteps.ResetSignals(_facts));
        if (!FiltersBeforeCredentials)
            AddFilterSteps();
        Add(Inside, ProcessSteps.Execute(_spec.Command, Variables()));
    }

    /// <summary>Inserts the start of the sealed image once it is known which descriptors its steps use.</summary>
    private void AddSealedStart()
    {
        int at = _entries.FindLastIndexOf(StepSide.Borrowed) + 1;
        var opened = OpenedByParent().ToHashSet();
        opened.Add(_report);
        opened.Add(_parentThread);
        IEnumerable<Slot> needed = _entries.Where(e => e.Side == StepSide.Sealed).SelectMany(e => e.Step.Calls).SelectMany(SlotsOf).Where(opened.Contains).Append(_report).Distinct();
        _entries.Insert(at, new PlanEntry(SealedSteps.Execute(_sealedFile, needed), StepSide.Borrowed));
    }

    private LaunchSlots Launch() => new(
        _form,
        (ulong)(_join.NeedsClone ? NamespaceKinds.None : NewNamespaces),
        _parentThread,
        _form == LaunchForm.Sealed ? _sealedFile : null,
        _form != LaunchForm.InMemory ? _report : null,
        Barrier ? (_readyRead, _readyWrite, _goRead, _goWrite) : null,
        MapsByParent ? new IdMapHandshake(_userNamespace.Users!, _userNamespace.Groups!,
            _userNamespace.Writer == IdMapWriter.Helpers ? _facts.NewUidMap : null,
            _userNamespace.Writer == IdMapWriter.Helpers ? _facts.NewGidMap : null) : null,
        [.. OpenedByParent().Except(Kept)],
        [.. Kept],
        _join.NeedsClone ? _join.IdRead : null,
        _streams,
        _terminal?.Receive,
        _spec.NetworkPool is null ? null : _pooledNet,
        _idMapSource,
        ChangesDumpable: _form == LaunchForm.InMemory && (_user.UserId != 0 || _userNamespace.IsNew),
        OwnsPid: Owns(NamespaceKinds.Pid),
        MinimumDescriptor: _streams.FirstFree,
        _cgroup,
        _listener?.Receive,
        HasNetwork,
        _hostsTree);

    private IEnumerable<Slot> Kept =>
        [.. _streams.Kept, .. _cgroup?.Directories ?? [], .. _terminal is null ? [] : new[] { _terminal.Receive }, .. _listener is null ? [] : new[] { _listener.Receive }, .. _join.NeedsClone ? [_join.IdRead] : Array.Empty<Slot>()];

    /// <summary>Every slot that a parent step fills with a descriptor.</summary>
    private IEnumerable<Slot> OpenedByParent()
    {
        foreach (PlanEntry entry in _entries.Where(e => e.Side == StepSide.Parent))
        {
            foreach (SyscallStep call in entry.Step.Calls)
            {
                if (call is { Result: { } result, Call: not Syscall.mkdirat })
                    yield return result;
                if (call.Call is Syscall.pipe2 or Syscall.socketpair)
                {
                    foreach (Slot slot in SlotsOf(call))
                        yield return slot;
                }
            }
        }

        if (_spec.NetworkPool is not null)
            yield return _pooledNet;
        if (_hostsTree is not null)
            yield return _hostsTree;
        if (_form != LaunchForm.InMemory)
            yield return _report;
    }

    private static IEnumerable<Slot> SlotsOf(SyscallStep call) => call.Arguments.SelectMany(SlotsOf);

    private static IEnumerable<Slot> SlotsOf(StepArgument argument) => argument switch
    {
        SlotArgument slot => [slot.Slot],
        DataArgument data => data.Slots.Select(s => s.Slot).Concat(data.Pointers.SelectMany(p => SlotsOf(p.Pointee))),
        _ => [],
    };

    private NamespaceKinds NewNamespaces
    {
        get
        {
            NamespaceKinds kinds = NamespaceKinds.Mount | NamespaceKinds.Uts | NamespaceKinds.Ipc | NamespaceKinds.Pid | NamespaceKinds.Net | NamespaceKinds.Cgroup;
            kinds &= ~_spec.Namespaces.SharedWithHost;
            foreach (JoinedNamespace joined in _spec.Namespaces.Joined)
                kinds &= ~joined.Kind;
            if (_spec.NetworkPool is not null)
                kinds &= ~NamespaceKinds.Net;
            if (_spec.Namespaces.TimeOffsets is not null)
                kinds |= NamespaceKinds.Time;
            kinds &= ~LateNamespaces;
            return _userNamespace.IsNew ? kinds | NamespaceKinds.User : kinds;
        }
    }

    private bool Owns(NamespaceKinds kind) => !_spec.Namespaces.SharedWithHost.HasFlag(kind) && _spec.Namespaces.Joined.All(j => j.Kind != kind);

    /// <summary>In a new user namespace, proc and sysfs of namespaces that are not its own cannot be mounted; the host's are seen instead.</summary>
    private Mount Possible(Mount mount) => mount switch
    {
        ProcMount proc when _userNamespace.IsNew && !Owns(NamespaceKinds.Pid) => new BindMount("/proc", proc.Destination, proc.Flags),
        SysfsMount sysfs when _userNamespace.IsNew && (!Owns(NamespaceKinds.Net) || _spec.NetworkPool is not null) => new BindMount("/sys", sysfs.Destination, sysfs.Flags),
        _ => mount,
    };

    private ImmutableSortedDictionary<string, string> Variables()
    {
        ImmutableSortedDictionary<string, string> variables = _spec.Environment;
        if (!variables.ContainsKey("PATH"))
            variables = variables.Add("PATH", ContainerDefaults.Path);
        if (!variables.ContainsKey("HOME"))
            variables = variables.Add("HOME", _user.Home);
        return _spec.Terminal && !variables.ContainsKey("TERM") ? variables.Add("TERM", "xterm") : variables;
    }

    private static string NamespaceNames(NamespaceKinds kinds) =>
        kinds == NamespaceKinds.None ? "this process's namespaces" : "new namespaces: " + string.Join(", ", kinds.Each().Select(k => k.FileName()));

    private static PlanStep Pipe(string action, string subject, params ReadOnlySpan<(Slot Read, Slot Write)> pipes)
    {
        var calls = ImmutableArray.CreateBuilder<SyscallStep>();
        foreach ((Slot read, Slot write) in pipes)
        {
            StepArgument pair = StepArgument.DescriptorPair(read, write);
            calls.Add(new SyscallStep(Syscall.pipe2, pair, StepArgument.Flags(Fcntl.O_CLOEXEC, "O_CLOEXEC")));
        }

        return new PlanStep(action, subject, calls.ToImmutable());
    }

    private PlanStep LifeStep => _spec.DieWithParent ? ProcessSteps.DieWithParent(_parentPoll) : ProcessSteps.LiveOnWithoutParent();

    private void Add(StepSide side, PlanStep step) => _entries.Add(new PlanEntry(step, side));

    private void Add(StepSide side, IEnumerable<PlanStep> steps)
    {
        foreach (PlanStep step in steps)
            Add(side, step);
    }
}
