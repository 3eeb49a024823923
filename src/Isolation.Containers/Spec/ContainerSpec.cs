using System.Collections.Immutable;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>The specification of a container: an immutable value, independent of the host, printed as JSON.</summary>
/// <example><code>
/// ContainerSpec spec = new ContainerBuilder(Rootfs.Host).WithCommand("true").Build().Spec;
/// ContainerSpec named = spec with { HostName = "job" };
/// foreach (SpecChange change in spec.Diff(named))
///     Console.WriteLine(change);
/// bool same = ContainerSpec.Parse(named.ToJson()) == named; // true
/// </code></example>
public sealed record ContainerSpec
{
    /// <summary>The root file system.</summary>
    public required Rootfs Rootfs { get; init; }

    /// <summary>The program and its arguments.
    /// A program without a slash is searched for in the environment's <c>PATH</c>, inside the root.</summary>
    public required ImmutableArray<string> Command { get; init; }

    /// <summary>Environment variables. <c>PATH</c> and <c>HOME</c> are added where they are missing; nothing is inherited.</summary>
    public ImmutableSortedDictionary<string, string> Environment { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>The working directory inside the root.</summary>
    public string WorkingDirectory { get; init; } = "/";

    /// <summary>Whether a missing working directory is made.</summary>
    public bool CreateWorkingDirectory { get; init; }

    /// <summary>The user that the program runs as.</summary>
    public ContainerUser User { get; init; } = ContainerUser.Root;

    /// <summary>Supplementary groups, by name or number.</summary>
    public ImmutableArray<string> AdditionalGroups { get; init; } = [];

    /// <summary>The file mode creation mask; null for 022.</summary>
    public UnixFileMode? Umask { get; init; }

    /// <summary>Resource limits that differ from this process's.</summary>
    public ImmutableArray<Rlimit> Rlimits { get; init; } = [];

    /// <summary>How eagerly the kernel kills the program when memory runs out, -1000 to 1000; null leaves this process's value.</summary>
    public int? OomScoreAdj { get; init; }

    /// <summary>The host name; null leaves the host's name.</summary>
    public string? HostName { get; init; }

    /// <summary>The NIS domain name; null leaves the host's.</summary>
    public string? DomainName { get; init; }

    /// <summary>Kernel settings of the container's own namespaces, by their names with dots: <c>net.ipv4.ip_forward</c>.</summary>
    public ImmutableSortedDictionary<string, string> Sysctls { get; init; } =
        ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal);

    /// <summary>Whether set-user-ID programs and file capabilities are without effect.</summary>
    public bool NoNewPrivileges { get; init; } = true;

    /// <summary>Filters, rulesets and labels that restrict the program, and how it is scheduled.</summary>
    public SecuritySettings Security { get; init; } = new();

    /// <summary>The capabilities of the program.</summary>
    public CapabilityState Capabilities { get; init; } = ContainerDefaults.Capabilities;

    /// <summary>Whether the root mount is read-only; null for where a write would reach a directory of the host. Mounts below it have
    /// their own flags.</summary>
    public bool? ReadOnlyRoot { get; init; }

    internal bool HasReadOnlyRoot => ReadOnlyRoot ?? Rootfs.WritesThrough;

    /// <summary>The mounts in the root, in order.</summary>
    public ImmutableArray<Mount> Mounts { get; init; } = ContainerDefaults.Mounts;

    /// <summary>Paths hidden from the program, where they exist.</summary>
    public ImmutableArray<string> MaskedPaths { get; init; } = ContainerDefaults.MaskedPaths;

    /// <summary>Paths made read-only, where they exist.</summary>
    public ImmutableArray<string> ReadOnlyPaths { get; init; } = ContainerDefaults.ReadOnlyPaths;

    /// <summary>The namespaces that it has of its own, shares, or joins.</summary>
    public NamespaceSettings Namespaces { get; init; } = new();

    /// <summary>Limits of its control group, in version 2's words; a host with version 1 gets them translated.
    /// A limit that the host cannot enforce is refused.</summary>
    public CgroupSettings Resources { get; init; } = CgroupSettings.None;

    /// <summary>Whether it has a control group of its own.</summary>
    public CgroupUse Cgroup { get; init; }

    /// <summary>Whether the control group is given to the container's root, which may then divide it further; its limits stay.</summary>
    public bool DelegatesCgroup { get; init; }

    /// <summary>Which devices may be used; null for docker's list, and those of <see cref="DeviceMount"/>s.
    /// Enforced where the control group may have device rules.</summary>
    public ImmutableArray<DeviceRule>? DeviceRules { get; init; }

    /// <summary>A name, under which its control group is found: <c>isolation-NAME</c>; null for one made up.</summary>
    public string? Name { get; init; }

    /// <summary>The network settings; the default is no network.</summary>
    public NetworkSettings Network { get; init; } = new();

    /// <summary>How much it may write to both together; null for no limit. Then everything in it is killed.</summary>
    public ByteSize? OutputMax { get; init; }

    /// <summary>Whether the standard streams are a pseudo-terminal of the container's own,
    /// which is then its controlling terminal.</summary>
    public bool Terminal { get; init; }

    /// <summary>Whether an init is process 1, which reaps orphans and which the program cannot reach; the program is process 2 then, and
    /// signals have the effect on it that they have outside. False: the program is process 1, which ignores every signal that it has no
    /// handler for, and has to reap orphans itself. Null: an init, unless the program is one by its name (systemd, tini, s6-svscan, ...),
    /// the container has no PID namespace of its own, or a form of launch was chosen that has room for one process only.</summary>
    public bool? Init { get; init; }

    /// <summary>Whether the kernel kills the container when this process ends, however it ends.</summary>
    public bool DieWithParent { get; init; } = true;

    /// <summary>How long it may run, from the start; null for no limit. Then everything in it is killed.</summary>
    public TimeSpan? Timeout { get; init; }

    /// <summary>How much CPU time all of its processes may use together; null for no limit. Then everything in it is killed. Needs a
    /// control group of its own.</summary>
    public TimeSpan? CpuTimeMax { get; init; }

    /// <summary>Where the launch's steps run; null lets the plan choose the fastest that is safe.</summary>
    public LaunchForm? Form { get; init; }

    /// <summary>Makes the plan of a launch on a host, with no more than the spec: see
    /// <see cref="ContainerStart.Plan(HostFacts, ResolvedUser?)"/>.</summary>
    /// <inheritdoc cref="ContainerStart.Plan(HostFacts, ResolvedUser?)"/>
    public LaunchPlan Plan(HostFacts facts, ResolvedUser? user = null) => new ContainerStart { Spec = this }.Plan(facts, user);

    /// <summary>The spec as JSON, complete: <see cref="Parse"/> of it is equal. Values of environment variables and contents of files
    /// are in it; <see cref="ToString"/> leaves them out.</summary>
    public string ToJson() => SpecJson.Write(this);

    /// <summary>Reads what <see cref="ToJson"/> writes. Every property must be there, and no other: what a text left out would else be
    /// decided by whoever reads it.</summary>
    /// <exception cref="FormatException">The text is no JSON, of another version, says something that no spec has, or leaves something
    /// out; the message names it.</exception>
    public static ContainerSpec Parse(string json) => SpecJson.Read(json ?? throw new ArgumentNullException(nameof(json)));

    /// <summary>Finds where another spec differs from this one. What may be a secret is compared, and shown as <c>***</c>.</summary>
    public ImmutableArray<SpecChange> Diff(ContainerSpec other) =>
        SpecDiff.Compare(this, other ?? throw new ArgumentNullException(nameof(other)));

    /// <summary>Whether both ask for the same: their JSON is the same.</summary>
    public bool Equals(ContainerSpec? other) => other is not null && (ReferenceEquals(this, other) || ToJson() == other.ToJson());

    /// <inheritdoc/>
    public override int GetHashCode() => ToJson().GetHashCode(StringComparison.Ordinal);

    /// <summary>The spec as JSON, with <c>***</c> for values of environment variables and contents of files.</summary>
    public override string ToString() => SpecJson.Print(this);
}
