using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>Describes a container and starts it. Immutable: each call gives a new builder, and earlier ones stay valid.</summary>
/// <remarks><c>With</c> replaces, <c>Add</c> appends. The defaults are the safe ones of <see cref="ContainerDefaults"/>.</remarks>
/// <example><code>
/// await using Container process = await new ContainerBuilder(Rootfs.Host)
///     .WithCommand("sh", "-c", "hostname; id")
///     .WithHostName("box")     .StartAsync();
/// ContainerResult result = await process.WaitAsync();
/// </code></example>
public sealed partial class ContainerBuilder : ICgroupControls<ContainerBuilder>
{
    private readonly ContainerStart _start;

    private ContainerSpec _spec => _start.Spec;

    /// <summary>Begins with a root file system and the defaults; the command is <c>/bin/sh</c> until it is set.</summary>
    public ContainerBuilder(Rootfs rootfs)
        : this(new ContainerSpec { Rootfs = rootfs ?? throw new ArgumentNullException(nameof(rootfs)), Command = ["/bin/sh"] })
    {
    }

    /// <summary>Begins with a spec.</summary>
    public ContainerBuilder(ContainerSpec spec)
        : this(new ContainerStart { Spec = spec ?? throw new ArgumentNullException(nameof(spec)) })
    {
    }

    /// <summary>Begins with a spec and what this process has ready for it.</summary>
    public ContainerBuilder(ContainerStart start) => _start = start ?? throw new ArgumentNullException(nameof(start));

    private ContainerBuilder Changed(ContainerSpec spec) => new(_start with { Spec = spec });

    private static T NotNull<T>(T? argument, [CallerArgumentExpression(nameof(argument))] string name = "") where T : class =>
        argument ?? throw new ArgumentNullException(name);

    /// <summary>Changes the spec in any way.</summary>
    /// <param name="change">Gets the spec so far, and returns another.</param>
    public ContainerBuilder WithSpec(Func<ContainerSpec, ContainerSpec> change) =>
        Changed(NotNull(NotNull(change)(_spec), nameof(change)));

    /// <summary>Sets the program and its arguments.</summary>
    public ContainerBuilder WithCommand(string program, params IEnumerable<string> arguments) =>
        Changed(_spec with { Command = [NotNull(program), .. NotNull(arguments)] });

    /// <summary>Sets one environment variable.</summary>
    public ContainerBuilder AddEnvironment(string name, string value) =>
        Changed(_spec with { Environment = _spec.Environment.SetItem(NotNull(name), NotNull(value)) });

    /// <summary>Sets the working directory inside the root.</summary>
    /// <param name="path">An absolute path.</param>
    /// <param name="create">Whether it is made where it is missing.</param>
    public ContainerBuilder WithWorkingDirectory(string path, bool create = false) =>
        Changed(_spec with { WorkingDirectory = NotNull(path), CreateWorkingDirectory = create });

    /// <summary>Sets the user that the program runs as, by <c>USER</c> or <c>USER:GROUP</c>: names of the root's own passwd and group
    /// files, or
    /// numbers.</summary>
    public ContainerBuilder WithUser(string user) => Changed(_spec with { User = ContainerUser.Parse(NotNull(user)) });

    /// <summary>Sets the user and group that the program runs as, by number.</summary>
    public ContainerBuilder WithUser(uint userId, uint groupId) => Changed(_spec with { User = ContainerUser.Of(userId, groupId) });

    /// <summary>Adds a supplementary group, by name or number.</summary>
    public ContainerBuilder AddGroup(string group) => Changed(_spec with { AdditionalGroups = _spec.AdditionalGroups.Add(NotNull(group)) });

    /// <summary>Sets the file mode creation mask.</summary>
    public ContainerBuilder WithUmask(UnixFileMode umask) => Changed(_spec with { Umask = umask });

    /// <summary>Adds a resource limit.</summary>
    public ContainerBuilder AddRlimit(Rlimit limit) => Changed(_spec with { Rlimits = _spec.Rlimits.Add(NotNull(limit)) });

    /// <summary>Sets how eagerly the kernel kills the program when memory runs out, -1000 to 1000.</summary>
    public ContainerBuilder WithOomScoreAdj(int score) => Changed(_spec with { OomScoreAdj = score });

    /// <summary>Sets the host name that the container sees.</summary>
    public ContainerBuilder WithHostName(string name) => Changed(_spec with { HostName = NotNull(name) });

    /// <summary>Sets the NIS domain name that the container sees.</summary>
    public ContainerBuilder WithDomainName(string name) => Changed(_spec with { DomainName = NotNull(name) });

    /// <summary>Sets a kernel setting of the container's own namespaces.</summary>
    public ContainerBuilder AddSysctl(string name, string value) =>
        Changed(_spec with { Sysctls = _spec.Sysctls.SetItem(NotNull(name), NotNull(value)) });

    /// <summary>Lets set-user-ID programs and file capabilities work: no_new_privs is not set. See prctl(2).</summary>
    public ContainerBuilder AllowNewPrivileges() => Changed(_spec with { NoNewPrivileges = false });

    /// <summary>Sets no_new_privs, as by default: takes back <see cref="AllowNewPrivileges"/> and that of
    /// <see cref="WithPrivileged"/>.</summary>
    public ContainerBuilder WithNoNewPrivileges() => Changed(_spec with { NoNewPrivileges = true });

    /// <summary>Sets the capabilities: bounding, permitted and effective alike, nothing inheritable or ambient.</summary>
    public ContainerBuilder WithCapabilities(CapabilitySet capabilities) =>
        Changed(_spec with { Capabilities = CapabilityState.Of(capabilities) });

    /// <summary>Sets the five capability sets one by one.</summary>
    public ContainerBuilder WithCapabilities(CapabilityState capabilities) => Changed(_spec with { Capabilities = NotNull(capabilities) });

    /// <summary>Makes the root mount read-only. That is the default where a write would reach a directory of the host.</summary>
    public ContainerBuilder WithReadOnlyRoot() => Changed(_spec with { ReadOnlyRoot = true });

    /// <summary>Makes the root mount writable. That is the default where changes are thrown away; with <see cref="Rootfs.Directory"/>,
    /// and with an overlay that has an upper directory, the program changes files of the host.</summary>
    public ContainerBuilder WithWritableRoot() => Changed(_spec with { ReadOnlyRoot = false });

    /// <summary>Adds something to mount.</summary>
    public ContainerBuilder AddMount(Mount mount) => Changed(_spec with { Mounts = _spec.Mounts.Add(NotNull(mount)) });

    /// <summary>Replaces all mounts, the default /proc, /dev and /sys included.</summary>
    public ContainerBuilder WithMounts(params IEnumerable<Mount> mounts) => Changed(_spec with { Mounts = [.. NotNull(mounts)] });

    /// <summary>Adds a path to hide.</summary>
    public ContainerBuilder AddMaskedPath(string path) => Changed(_spec with { MaskedPaths = _spec.MaskedPaths.Add(NotNull(path)) });

    /// <summary>Replaces the paths to hide.</summary>
    public ContainerBuilder WithMaskedPaths(params IEnumerable<string> paths) => Changed(_spec with { MaskedPaths = [.. NotNull(paths)] });

    /// <summary>Adds a path to make read-only.</summary>
    public ContainerBuilder AddReadOnlyPath(string path) => Changed(_spec with { ReadOnlyPaths = _spec.ReadOnlyPaths.Add(NotNull(path)) });

    /// <summary>Replaces the paths to make read-only.</summary>
    public ContainerBuilder WithReadOnlyPaths(params IEnumerable<string> paths) =>
        Changed(_spec with { ReadOnlyPaths = [.. NotNull(paths)] });

    /// <summary>Gives up isolation of some kinds: the container uses the host's namespaces.</summary>
    public ContainerBuilder WithNamespacesSharedWithHost(NamespaceKinds kinds) =>
        Changed(_spec with { Namespaces = _spec.Namespaces with { SharedWithHost = kinds } });

    /// <summary>Enters namespaces of a running process instead of having its own. The process is opened here:
    /// one that gets its number later is never joined.</summary>
    /// <exception cref="LinuxException"><c>ESRCH</c>: no such process.</exception>
    public ContainerBuilder AddJoinedNamespaces(NamespaceKinds kinds, int processId) =>
        AddJoinedNamespaces(kinds, PidHandle.Open(processId));

    /// <summary>Enters namespaces of a running process, which the caller holds, instead of having its own.</summary>
    public ContainerBuilder AddJoinedNamespaces(NamespaceKinds kinds, PidHandle process)
    {
        NotNull(process);
        return Joining(kinds.Each().Select(k => new JoinedNamespace(k, process)));
    }

    /// <summary>Enters namespaces of another container, which must still run when this one starts.</summary>
    public ContainerBuilder AddJoinedNamespaces(NamespaceKinds kinds, Container container) =>
        AddJoinedNamespaces(kinds, (container ?? throw new ArgumentNullException(nameof(container))).Process);

    /// <summary>Enters a namespace that the caller holds, instead of having its own.</summary>
    public ContainerBuilder AddJoinedNamespace(Namespace joined) => Joining([new JoinedNamespace(NotNull(joined))]);

    private ContainerBuilder Joining(IEnumerable<JoinedNamespace> joined) => new(_start with { Joined = [.. _start.Joined, .. joined] });

    /// <summary>Says whether the container has a user namespace of its own; the plan chooses its id maps.</summary>
    public ContainerBuilder WithUserNamespace(UserNamespaceMode mode) =>
        Changed(_spec with { Namespaces = _spec.Namespaces with { User = mode, UserIds = null, GroupIds = null } });

    /// <summary>Gives the container a user namespace with these id maps.</summary>
    public ContainerBuilder WithUserNamespace(IdMap userIds, IdMap groupIds) =>
        Changed(_spec with
        {
            Namespaces = _spec.Namespaces with { User = UserNamespaceMode.New, UserIds = NotNull(userIds), GroupIds = NotNull(groupIds) }
        });

    /// <summary>Gives the container a time namespace whose clocks differ from the host's.</summary>
    public ContainerBuilder WithTimeOffsets(TimeOffsets offsets) =>
        Changed(_spec with { Namespaces = _spec.Namespaces with { TimeOffsets = NotNull(offsets) } });

    /// <summary>Connects standard input, which is /dev/null by default.</summary>
    public ContainerBuilder WithStandardInput(Stdio stdio) => new(_start with { StandardInput = NotNull(stdio) });

    /// <summary>Gives the program a text to read, in UTF-8: <see cref="Stdio.Text"/>.</summary>
    public ContainerBuilder WithStandardInput(string text) => WithStandardInput(Stdio.Text(text));

    /// <summary>Gives the program bytes to read: <see cref="Stdio.Bytes"/>.</summary>
    public ContainerBuilder WithStandardInput(ReadOnlyMemory<byte> content) => WithStandardInput(Stdio.Bytes(content));

    /// <summary>Gives the program a stream to read: <see cref="Stdio.From"/>.</summary>
    public ContainerBuilder WithStandardInput(Stream stream) => WithStandardInput(Stdio.From(stream));

    /// <summary>Connects standard output, which is this process's by default.</summary>
    public ContainerBuilder WithStandardOutput(Stdio stdio) => new(_start with { StandardOutput = NotNull(stdio) });

    /// <summary>Copies standard output to a stream: <see cref="Stdio.To(Stream)"/>.</summary>
    public ContainerBuilder WithStandardOutput(Stream stream) => WithStandardOutput(Stdio.To(stream));

    /// <summary>Copies standard output to a writer: <see cref="Stdio.To(TextWriter)"/>.</summary>
    public ContainerBuilder WithStandardOutput(TextWriter writer) => WithStandardOutput(Stdio.To(writer));

    /// <summary>Connects standard error, which is this process's by default.</summary>
    public ContainerBuilder WithStandardError(Stdio stdio) => new(_start with { StandardError = NotNull(stdio) });

    /// <summary>Copies standard error to a stream: <see cref="Stdio.To(Stream)"/>.</summary>
    public ContainerBuilder WithStandardError(Stream stream) => WithStandardError(Stdio.To(stream));

    /// <summary>Copies standard error to a writer: <see cref="Stdio.To(TextWriter)"/>.</summary>
    public ContainerBuilder WithStandardError(TextWriter writer) => WithStandardError(Stdio.To(writer));

    /// <summary>Limits what the program may write to both outputs together; null for no limit. Whoever writes more is killed, and
    /// <see cref="ContainerResult.Limits"/> has <see cref="LimitHits.Output"/>.</summary>
    /// <remarks>It holds for what passes through this process: each output must be a pipe, copied, captured, or nothing.</remarks>
    public ContainerBuilder WithOutputMax(ByteSize? max) => Changed(_spec with { OutputMax = max });

    /// <summary>Gives the program a pseudo-terminal as its standard streams.</summary>
    public ContainerBuilder WithTerminal(bool terminal = true) => Changed(_spec with { Terminal = terminal });

    /// <summary>Adds a limit of its control group; see <see cref="MemoryControls"/> and its kin for the typed ones, such as
    /// <c>WithMemoryMax</c>.</summary>
    public ContainerBuilder With(CgroupSetting setting) => Changed(_spec with { Resources = _spec.Resources.With(setting) });

    /// <summary>Replaces all limits of its control group.</summary>
    public ContainerBuilder WithResources(CgroupSettings resources) => Changed(_spec with { Resources = NotNull(resources) });

    /// <summary>Says whether the container has a control group of its own.</summary>
    public ContainerBuilder WithCgroup(CgroupUse use) => Changed(_spec with { Cgroup = use });

    /// <summary>Gives the control group to the container's root, which may then divide it further.</summary>
    public ContainerBuilder WithDelegatedCgroup(bool delegated = true) => Changed(_spec with { DelegatesCgroup = delegated });

    /// <summary>Sets which devices may be used, in the place of docker's list.</summary>
    public ContainerBuilder WithDeviceRules(params IEnumerable<DeviceRule> rules) =>
        Changed(_spec with { DeviceRules = [.. NotNull(rules)] });

    /// <summary>Names the container: its control group is <c>isolation-NAME</c>.</summary>
    public ContainerBuilder WithName(string? name) => Changed(_spec with { Name = name });

    /// <summary>Passes one more descriptor to the program.</summary>
    /// <param name="handle">The handle, which stays the caller's and must stay open until the start is over.</param>
    /// <param name="target">The number in the program, 3 or more.</param>
    public ContainerBuilder AddDescriptor(SafeHandle handle, int target) =>
        new(_start with { Descriptors = _start.Descriptors.Add(new PassedDescriptor(NotNull(handle), target)) });

    /// <summary>Gives the program a secret: a file in memory, <c>/run/secrets/NAME</c>, that only its user can read.</summary>
    /// <param name="name">The name of the file: letters, digits, <c>.</c>, <c>_</c> and <c>-</c>.</param>
    /// <param name="value">What the file holds, in UTF-8.</param>
    /// <exception cref="ArgumentException">The name is not such a name.</exception>
    public ContainerBuilder AddSecret(string name, string value) => AddSecret(new Secret(name, value));

    /// <summary>Gives the program a secret: a file in memory, <c>/run/secrets/NAME</c>, that only its user can read.</summary>
    public ContainerBuilder AddSecret(Secret secret) => new(_start with { Secrets = _start.Secrets.Add(NotNull(secret)) });

    /// <summary>Says whether an init is process 1 of the container, or the program; null, as at first, leaves that to the plan:
    /// see <see cref="ContainerSpec.Init"/>.</summary>
    public ContainerBuilder WithInit(bool? init = true) => Changed(_spec with { Init = init });

    /// <summary>Makes the program process 1, with no init: it ignores every signal that it has no handler for, SIGINT and SIGTERM among
    /// them, and has to reap orphans.</summary>
    public ContainerBuilder AsFirstProcess() => WithInit(false);

    /// <summary>Lets the container live on when this process ends. By default the kernel kills it then.</summary>
    public ContainerBuilder OutliveParent() => Changed(_spec with { DieWithParent = false });

    /// <summary>Sets how long the container may run; null for no limit.</summary>
    public ContainerBuilder WithTimeout(TimeSpan? timeout) => Changed(_spec with { Timeout = timeout });

    /// <summary>Sets how much CPU time all of its processes may use together; null for no limit. Then everything in it is killed, and
    /// <see cref="ContainerResult.Limits"/> has <see cref="LimitHits.CpuTime"/>.</summary>
    /// <remarks>Counted by its control group, and so for processes that have ended, too; RLIMIT_CPU of setrlimit(2) is each process's own.
    /// It may use some 10 ms more on each processor.</remarks>
    public ContainerBuilder WithCpuTimeMax(TimeSpan? max) => Changed(_spec with { CpuTimeMax = max });

    /// <summary>Takes the network namespace from a pool of pre-made ones, which is about half the time of a start.</summary>
    public ContainerBuilder WithNetworkPool(NetworkNamespacePool? pool) => new(_start with { NetworkPool = pool });

    /// <summary>Sets where the launch's steps run; null lets the plan choose.</summary>
    public ContainerBuilder WithLaunchForm(LaunchForm? form) => Changed(_spec with { Form = form });

    /// <summary>Times each step of the launch; see <see cref="Container.StepTimes"/>.</summary>
    public ContainerBuilder WithStepTimes(bool timed = true) => new(_start with { TimeSteps = timed });

    /// <summary>Checks everything that needs no host, and returns the spec with what this process has ready for it.</summary>
    /// <exception cref="SpecException">The spec has faults: all of them at once.</exception>
    public ContainerStart Build()
    {
        _start.Validate();
        return _start;
    }

    /// <summary>Makes the plan for this host, to be printed, or started any number of times. Reads the root's user files where the spec has
    /// names; starts nothing.</summary>
    /// <exception cref="SpecException">The spec has faults.</exception>
    /// <exception cref="KernelFeatureException">This host lacks what the spec needs.</exception>
    public LaunchPlan Plan()
    {
        ContainerStart start = Build();
        return start.PlanValid(HostFacts.Current, UserFiles.Resolve(start.Spec), DanglingLinks.Find(start.Spec));
    }

    /// <summary>Starts the container.</summary>
    /// <param name="cancellationToken">Cancels the start; a container that has started meanwhile is killed.</param>
    /// <exception cref="SpecException">The spec has faults.</exception>
    /// <exception cref="KernelFeatureException">This host lacks what the spec needs.</exception>
    /// <exception cref="LaunchException">A step of the launch failed; nothing is left behind.</exception>
    public Task<Container> StartAsync(CancellationToken cancellationToken = default) => Plan().StartAsync(cancellationToken);

    /// <summary>Starts the container, and returns when its program has been executed.</summary>
    /// <inheritdoc cref="StartAsync" path="/exception"/>
    public Container Start(CancellationToken cancellationToken = default) => Plan().Start(cancellationToken);

    /// <summary>Starts the container, waits for its end, and removes what is left of it. Cancelling kills everything in it.</summary>
    /// <remarks>It hands out no streams: a standard stream that is a pipe, and a terminal, are faults, since the program would wait for
    /// ever for somebody at their other end.</remarks>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <inheritdoc cref="StartAsync" path="/exception"/>
    public async Task<ContainerResult> RunAsync(CancellationToken cancellationToken = default)
    {
        if (SpecValidator.CheckUnattended(_start) is { Count: > 0 } faults)
            throw new SpecException(faults);
        Container process = await StartAsync(cancellationToken).ConfigureAwait(false);
        await using (process.ConfigureAwait(false))
            return await process.WaitAsync(cancellationToken).ConfigureAwait(false);
    }
}
