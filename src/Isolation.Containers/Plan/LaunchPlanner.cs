using System.Collections.Immutable;
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
    private readonly ContainerStart _start;
    private readonly ContainerSpec _spec;
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
    private readonly Slot _parentThread = new("parent-thread"), _root = new("root"), _sealedFile = new("sealed-image"),
        _report = new("report");
    private readonly Slot _readyRead = new("ready-read"), _readyWrite = new("ready-write"), _goRead = new("go-read"),
        _goWrite = new("go-write");
    private readonly Slot _pooledNet = new("pooled-net");
    private readonly StepArgument _parentPoll;
    private readonly SiblingSteps? _siblings;

    private readonly ImmutableArray<PlanEntry>.Builder _entries = ImmutableArray.CreateBuilder<PlanEntry>();

    internal LaunchPlanner(ContainerStart start, HostFacts facts, ResolvedUser user, ImmutableDictionary<string, string> danglingLinks)
    {
        _start = start;
        ContainerSpec spec = start.Spec;
        _facts = facts;
        _user = user;
        _spec = spec = WithSecrets(WithNetworkFiles(WithWritablePlaces(spec)));
        _join = new JoinSteps(start, facts);
        _userNamespace = _join.JoinsUser
            ? new UserNamespacePlan(false, null, null, IdMapWriter.Self)
            : UserNamespacePlan.Decide(spec, facts, user);
        _parentPoll = ProcessSteps.ParentPoll(_parentThread);
        _terminal = spec.Terminal ? new TerminalSteps() : null;
        _streams = new StreamSteps(start);
        bool inUserNamespace = _userNamespace.IsNew || _join.JoinsUser;
        bool staged = spec.Rootfs is HostRootfs || spec.Rootfs is OverlayRootfs root
            && OverlaySteps.NeedsStaging(root.LowerDirectories, root.UpperDirectory, root.WorkDirectory)
            || spec.Mounts.Any(m => m is FileMount || m is OverlayMount o
                && OverlaySteps.NeedsStaging(o.LowerDirectories, o.UpperDirectory, o.WorkDirectory));
        _mounts = new MountContext(
            new InRoot(_root, facts.Architecture) { Dangling = danglingLinks },
            CanMakeNodes: !inUserNamespace && facts.Capabilities.Contains(Capability.Mknod),
            TerminalGroup: !inUserNamespace || _userNamespace.Groups?.ToOutside(5) is not null ? 5 : null,
            inUserNamespace,
            HasOwnIpc: Owns(NamespaceKinds.Ipc) || !_userNamespace.IsNew,
            staged ? new Slot("staging") : null)
        { Label = spec.Security.SELinuxMountContext?.ToString(), Kernel = facts.Kernel };
        _hasInit = ChooseInit();
        _form = ChooseForm();
        _cgroup = ChooseCgroup();
        _siblings = _hasInit || _join.NeedsClone ? new SiblingSteps(_hasInit) : null;
        _listener = NotifiedFilter is null ? null : new ListenerSteps();
        _hold = ChooseHold();
    }

    /// <summary>The usual writable places in memory, where the kernel copies up no directory of another owner: in a user namespace that
    /// does not map him.</summary>
    private ContainerSpec WithWritablePlaces(ContainerSpec spec)
    {
        if (_facts.IsPrivileged || spec.HasReadOnlyRoot || spec.Rootfs.WritesThrough)
            return spec;
        // What is composed of the host's directories has the others in memory already.
        string[] places = spec.Rootfs is HostRootfs ? ["/var/tmp"] : ["/tmp", "/var/tmp", "/run"];
        return spec with
        {
            Mounts = [.. places.Where(p => spec.Mounts.All(m => m.Destination != p)).Select(p => new TmpfsMount(p)), .. spec.Mounts],
        };
    }

    private ContainerSpec WithSecrets(ContainerSpec spec) => _start.Secrets.IsEmpty ? spec : spec with
    {
        Mounts =
        [
            .. spec.Mounts,
            .. _start.Secrets.Select(s => new FileMount("/run/secrets/" + s.Name, [.. s.Value.Span], UnixFileMode.UserRead)
            {
                UserId = _user.UserId == 0 ? null : _user.UserId,
                GroupId = _user.UserId == 0 ? null : _user.GroupId,
            }),
        ],
    };

    private bool MapsByParent => _userNamespace is { IsNew: true, Writer: not IdMapWriter.Self };

    /// <summary>Whether the child waits for this process: for id maps, or its network.
    /// With an intermediate process the program's waits for the network.</summary>
    private bool Barrier => MapsByParent || (HasNetwork && _siblings is null);

    private StepSide Inside => _form == LaunchForm.Sealed ? StepSide.Sealed : StepSide.Borrowed;

    internal LaunchPlan Plan()
    {
        RequirePossible();
        AddParentSteps();
        AddBorrowedSteps();
        if (_join.Any)
            Add(Inside, _join.Enter());
        if (_siblings is not null)
            AddSiblings(_siblings);
        Add(Inside, HandOver(late: true));
        if (_join.Any || _siblings is not null)
            AddCgroupNamespace();
        AddRootSteps();
        AddHostSteps();
        AddProcessSteps();
        if (_form == LaunchForm.Sealed)
            AddSealedStart();
        return new LaunchPlan(_start, _facts, _user, [.. _entries], Launch());
    }

    private void RequirePossible()
    {
        if (_form == LaunchForm.Forked && (_start.TimeSteps || _spec.Namespaces.TimeOffsets is not null))
            throw new SpecException(new SpecFault("form", "must share memory or be sealed for time offsets and step times", "Forked"));
        if (!_facts.HasClone3 && _spec.Namespaces.TimeOffsets is not null)
        {
            // clone(2) has no room for the time namespace's flag.
            throw new KernelFeatureException("a time namespace", "clone3(2) is refused to this process",
                "Allow clone3 in the seccomp filter of the outer container.");
        }

        RequirePossibleSecurity();
        RequirePossibleNetwork();
        RequirePossibleTrees();
        CapabilitySet missing = _userNamespace.IsNew || _join.JoinsUser
            ? CapabilitySet.None
            : _spec.Capabilities.Permitted.Except(_facts.Capabilities);
        if (!missing.IsEmpty)
        {
            throw new KernelFeatureException($"the capabilities {missing}", "this process does not have them itself",
                "Leave them out, or start this process with them.");
        }
    }

    /// <summary>In memory unless the workload could write this program's file, joins something,
    /// or needs a process of its own to start from.</summary>
    private LaunchForm ChooseForm()
    {
        // Memory that is shared with this process must not get a setting that this process could not live with.
        bool needsOwnProcess = _hasInit || _join.Any || _spec.Security.DenyWriteExecute;
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
            Add(StepSide.Parent,
                Pipe("make pipes for", MapsByParent ? "the id maps" : "the network", (_readyRead, _readyWrite), (_goRead, _goWrite)));
        if (_join.Any)
            Add(StepSide.Parent, _join.Open());
        if (_siblings is not null)
            AddSiblingChannels(_siblings);
        if (_terminal is not null)
            Add(StepSide.Parent, _terminal.OpenSocket());
        if (_listener is not null)
            Add(StepSide.Parent, _listener.OpenSocket());
        Add(StepSide.Parent, OpenHold());
        AddStreams();
        Add(StepSide.Parent,
            new PlanStep("create the process in", _join.NeedsClone ? "this process's namespaces" : NamespaceNames(ClonedNamespaces), []));
        if (MapsByParent)
        {
            string how = _userNamespace.Writer == IdMapWriter.Helpers
                ? "map ids through newuidmap and newgidmap:"
                : "map user and group ids:";
            Add(StepSide.Handshake, new PlanStep(how,
                $"\"{_userNamespace.Users}\", \"{_userNamespace.Groups}\"".Replace("\n", ", ", StringComparison.Ordinal), []));
        }

        if (_siblings is null)
            AddNetworkConnection();
    }

    // First what must come before anything can block, then what needs the memory to be shared, then the ids.
    private void AddBorrowedSteps()
    {
        Add(StepSide.Borrowed, ProcessSteps.DieWithParent(_parentPoll));
        if (_cgroup is not null && _siblings is null)
            Add(StepSide.Borrowed, _cgroup.Enter());
        if (_spec.OomScoreAdj is { } score)
            Add(StepSide.Borrowed, ProcessSteps.OomScoreAdj(score));
        if (_userNamespace.IsNew && !MapsByParent)
            Add(StepSide.Borrowed, NamespaceSteps.WriteOwnMaps(_userNamespace.Users!, _userNamespace.Groups!, denySetgroups: true));
        if (Barrier)
            Add(StepSide.Borrowed, ProcessSteps.AwaitParent(_readyWrite, _goRead, _goWrite));
        Add(StepSide.Borrowed, HandOver(late: false));
        // With shared memory the child is in the new time namespace only from its execve on, so that it may set the offsets.
        if (_spec.Namespaces.TimeOffsets is { } offsets)
            Add(StepSide.Borrowed, NamespaceSteps.WriteTimeOffsets(offsets));
        if (_userNamespace is { IsNew: true, CanChangeIds: true } && !BecomesRootLate)
            Add(StepSide.Borrowed, CredentialSteps.BecomeRoot(joined: false));
        else if (_userNamespace.IsNew && _form == LaunchForm.Sealed && (_user.UserId != 0 || BecomesRootLate))
            Add(StepSide.Borrowed, CredentialSteps.KeepAllAcrossExec(_facts.KnownCapabilities));
        if (_userNamespace is { IsNew: true, CanChangeIds: true } && !BecomesRootLate)
            AddGivingFromInside();
        if (LateNamespaces != NamespaceKinds.None && !_join.Any && _siblings is null)
            Add(StepSide.Borrowed, NamespaceSteps.Leave(LateNamespaces));
    }

    private void AddRootSteps()
    {
        Add(Inside, ProcessSteps.Umask(UnixFileMode.None));
        if (_join.JoinsUser || BecomesRootLate)
            AddGivingFromInside();
        AddSharedTrees();
        Slot? sharedMemory = AddSharedMemory();
        Add(Inside, RootSwitch.SetPropagation(_spec.Mounts.Any(m => m is BindMount { Propagation: not MountPropagation.Private })
            ? MountPropagation.Slave
            : MountPropagation.Private));
        if (_mounts.Staging is { } staging)
            Add(Inside, RootSwitch.Stage(staging));
        Add(Inside, _spec.Rootfs switch
        {
            DirectoryRootfs directory when OpensTrees || directory.IdMapped => [RootSwitch.FromTree(directory.Path, _root)],
            DirectoryRootfs directory => [RootSwitch.FromDirectory(directory.Path, _root)],
            OverlayRootfs overlay =>
                [RootSwitch.FromOverlay(overlay.LowerDirectories, overlay.UpperDirectory, overlay.WorkDirectory, _root, _mounts)],
            HostRootfs when !_mounts.InUserNamespace => [RootSwitch.FromOverlay(["/"], null, null, _root, _mounts)],
            _ => HostRootSteps.Compose(_facts.RootEntries, _root, _mounts),
        });
        // Before the switch: a new proc in a user namespace needs the host's to be still there, and so do bind sources.
        foreach (Mount mount in _spec.Mounts.Where(IsThere))
        {
            bool shares = mount is DevMount { HasShm: true }
                && (sharedMemory is not null || _spec.Namespaces.SharedWithHost.HasFlag(NamespaceKinds.Ipc));
            Add(Inside, MountSteps.Lower(shares && mount is DevMount dev ? dev with { HasShm = false } : Possible(mount), _mounts));
            if (shares)
                Add(Inside, SharedMemorySteps.Share(sharedMemory, _mounts.Dev!));
        }

        if (_terminal is not null)
            Add(Inside, _terminal.Open(_mounts.Dev!, _user));
    }

    private void AddHostSteps()
    {
        // Before /proc/sys is made read-only.
        Add(Inside, UnprivilegedNetworkSteps());
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
        if (_start.NetworkPool is not null && _siblings is null)
            Add(Inside, JoinPool);
        else if (_start.NetworkPool is null && Owns(NamespaceKinds.Net) && _spec.Namespaces.LoopbackUp)
            Add(Inside, Loopback.UpStep());
        Add(Inside, RootSwitch.Switch(_root, _mounts.Staging is not null));
        if (_spec.CreateWorkingDirectory)
            Add(Inside, ProcessSteps.WorkingDirectory(_spec.WorkingDirectory, create: true, _mounts.Paths));
        if (_spec.HasReadOnlyRoot)
            Add(Inside, RootSwitch.MakeReadOnly(_root));
        if (!_spec.CreateWorkingDirectory)
            Add(Inside, ProcessSteps.WorkingDirectory(_spec.WorkingDirectory, create: false, _mounts.Paths));
        Add(Inside, LimitSteps());
        AddSchedulingSteps();
    }

    // Credentials after all that needs privileges. The program starts only when the init is beyond its reach, and this process knows of
    // both: until then it stays in the process group by which it would be killed.
    private void AddProcessSteps()
    {
        CapabilitySet present = _userNamespace.IsNew || _join.JoinsUser ? _facts.KnownCapabilities : _facts.Bounding;
        bool changeIds = _userNamespace.CanChangeIds
            && (_userNamespace.IsNew || _join.JoinsUser || _facts.Capabilities.Contains(Capability.Setuid));
        if (FiltersBeforeCredentials)
            AddFilterSteps();
        Add(Inside, CredentialSteps.Become(_user, _spec.Capabilities, present, changeIds, _join.JoinsUser));
        if (_spec.Security.NewSessionKeyring)
            Add(Inside, SessionKeyring.Join(tolerant: true));
        if (_spec.NoNewPrivileges)
            Add(Inside, NoNewPrivileges.Step);
        if (_siblings is not null)
            Add(Inside, _siblings.AwaitOthers());
        Add(Inside, ProcessSteps.NewSession());
        Add(Inside, _terminal is null ? _streams.Connect() : [_terminal.Connect()]);
        Add(Inside, LifeStep);
        Add(Inside, ProcessSteps.Umask(_spec.Umask ?? UnixFileMode.GroupWrite | UnixFileMode.OtherWrite));
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
        IEnumerable<Slot> needed = _entries.Where(e => e.Side == StepSide.Sealed).SelectMany(e => e.Step.Calls).SelectMany(SlotsOf)
            .Where(opened.Contains).Append(_report).Distinct();
        _entries.Insert(at, new PlanEntry(SealedSteps.Execute(_sealedFile, needed), StepSide.Borrowed));
    }

    private ImmutableSortedDictionary<string, string> Variables()
    {
        ImmutableSortedDictionary<string, string> variables = _spec.Environment;
        if (!variables.ContainsKey("PATH"))
            variables = variables.Add("PATH", ContainerDefaults.Path);
        if (!variables.ContainsKey("HOME"))
            variables = variables.Add("HOME", _user.Home);
        return _spec.Terminal && !variables.ContainsKey("TERM") ? variables.Add("TERM", "xterm") : variables;
    }

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
