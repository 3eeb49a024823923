using System.Collections.Immutable;
using System.Globalization;
using System.Runtime.InteropServices;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Launching;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Containers;

/// <summary>The facts of the host and of this process that a plan depends on. Immutable.</summary>
/// <remarks>Of <see cref="Current"/>, what can change (mounts, settings, users, installed programs) is read when it is first asked for, and
/// stays as it is in that value.</remarks>
/// <example><code>
/// foreach (HostCheck check in HostFacts.Current.Checks().Where(c =&gt; !c.Works))
///     Console.WriteLine($"{check.Name}: {check.Found}. {check.Remedy}");
/// </code></example>
public sealed record HostFacts
{
    /// <summary>The inode of the initial user namespace: PROC_USER_INIT_INO of the kernel's linux/proc_ns.h.</summary>
    private const ulong InitialUserNamespace = 0xEFFFFFFD;

    private static readonly Lazy<HostFacts> s_fixed = new(ProbeFixed, LazyThreadSafetyMode.PublicationOnly);

    private HostState? _state;
    private Fact<ImmutableArray<SubIdFile.Grant>> _subUserIds, _subGroupIds;
    private Fact<string?> _newUidMap, _newGidMap, _obstacle, _remedy, _pasta, _slirp4netns;
    private Fact<CgroupFacts> _cgroups;
    private Fact<ImmutableArray<System.Net.IPAddress>> _nameServers;
    private Fact<ResolverFile> _resolver, _containersResolver;
    private Fact<string> _hosts;
    private Fact<ImmutableArray<HostRootEntry>> _rootEntries;

    /// <summary>The facts of this host and of the calling thread, as they are now.</summary>
    /// <exception cref="KernelFeatureException">There is no /proc, without which nothing can be known or started.</exception>
    public static HostFacts Current
    {
        get
        {
            HostFacts known = s_fixed.Value;
            CapabilityState capabilities = Security.Capabilities.Read();
            bool privileged = known.IsInitialUserNamespace && capabilities.Effective.Contains(Capability.SysAdmin);
            return known with
            {
                UserId = (uint)RawSyscall.Invoke(Syscall.geteuid).Value,
                GroupId = (uint)RawSyscall.Invoke(Syscall.getegid).Value,
                Capabilities = capabilities.Effective,
                Bounding = capabilities.Bounding,
                _state = new HostState(privileged),
            };
        }
    }

    /// <summary>The running kernel.</summary>
    public required KernelVersion Kernel { get; init; }

    /// <summary>The processor architecture: <see cref="Architecture.X64"/> or <see cref="Architecture.Arm64"/>.</summary>
    public required Architecture Architecture { get; init; }

    /// <summary>This process's effective user id.</summary>
    public required uint UserId { get; init; }

    /// <summary>This process's effective group id.</summary>
    public required uint GroupId { get; init; }

    /// <summary>This process's effective capabilities.</summary>
    public required CapabilitySet Capabilities { get; init; }

    /// <summary>This process's bounding set: what no child can exceed.</summary>
    public required CapabilitySet Bounding { get; init; }

    /// <summary>Every capability that the kernel knows.</summary>
    public required CapabilitySet KnownCapabilities { get; init; }

    /// <summary>Whether this process is in the initial user namespace. In any other, as in a rootless container, capabilities hold for what
    /// belongs to it only.</summary>
    public bool IsInitialUserNamespace { get; init; } = true;

    /// <summary>The user ids of this process's user namespace; null in the initial one, which has all.</summary>
    public IdMap? OwnUserIds { get; init; }

    /// <summary>The group ids of this process's user namespace; null in the initial one, which has all.</summary>
    public IdMap? OwnGroupIds { get; init; }

    /// <summary>The owner of this process's executable file: a user who may write that file could take over the next start.</summary>
    public uint ExecutableOwner { get; init; }

    /// <summary>User ids granted to this user by /etc/subuid.</summary>
    public ImmutableArray<SubIdFile.Grant> SubUserIds
    {
        get => _subUserIds.IsKnown ? _subUserIds.Value : _state?.SubUserIds ?? [];
        init => _subUserIds = new(value);
    }

    /// <summary>Group ids granted to this user by /etc/subgid.</summary>
    public ImmutableArray<SubIdFile.Grant> SubGroupIds
    {
        get => _subGroupIds.IsKnown ? _subGroupIds.Value : _state?.SubGroupIds ?? [];
        init => _subGroupIds = new(value);
    }

    /// <summary>The path of newuidmap; null where it is not installed.</summary>
    public string? NewUidMap { get => _newUidMap.IsKnown ? _newUidMap.Value : _state?.NewUidMap; init => _newUidMap = new(value); }

    /// <summary>The path of newgidmap; null where it is not installed.</summary>
    public string? NewGidMap { get => _newGidMap.IsKnown ? _newGidMap.Value : _state?.NewGidMap; init => _newGidMap = new(value); }

    /// <summary>The obstacle that keeps this user from creating user namespaces; null where none is known.</summary>
    public string? UserNamespaceObstacle
    {
        get => _obstacle.IsKnown ? _obstacle.Value : _state?.UserNamespaceObstacle;
        init => _obstacle = new(value);
    }

    /// <summary>The remedy for <see cref="UserNamespaceObstacle"/>.</summary>
    public string? UserNamespaceRemedy
    {
        get => _remedy.IsKnown ? _remedy.Value : _state?.UserNamespaceRemedy;
        init => _remedy = new(value);
    }

    /// <summary>Whether clone3(2) may be used; outer containers often refuse it.</summary>
    public bool HasClone3 { get; init; } = true;

    /// <summary>Control groups: how they are mounted, and what this process may do with them.</summary>
    public CgroupFacts Cgroups { get => _cgroups.IsKnown ? _cgroups.Value : _state?.Cgroups ?? new(); init => _cgroups = new(value); }

    /// <summary>The active security modules, from /sys/kernel/security/lsm; empty where that cannot be read.</summary>
    public ImmutableArray<string> SecurityModules { get; init; } = [];

    /// <summary>The version of the kernel's Landlock; 0 where there is none.</summary>
    public int LandlockAbi { get; init; }

    /// <summary>The path of pasta; null where it is not installed.</summary>
    public string? Pasta { get => _pasta.IsKnown ? _pasta.Value : _state?.Pasta; init => _pasta = new(value); }

    /// <summary>The path of slirp4netns; null where it is not installed.</summary>
    public string? Slirp4netns
    {
        get => _slirp4netns.IsKnown ? _slirp4netns.Value : _state?.Slirp4netns;
        init => _slirp4netns = new(value);
    }

    /// <summary>The host's name servers, of /etc/resolv.conf, or those behind its own resolver, that other network namespaces can
    /// reach.</summary>
    public ImmutableArray<System.Net.IPAddress> NameServers
    {
        get => _nameServers.IsKnown ? _nameServers.Value : ContainersResolver.Reachable;
        init => _nameServers = new(value);
    }

    /// <summary>The host's /etc/resolv.conf.</summary>
    internal ResolverFile Resolver
    {
        get => _resolver.IsKnown ? _resolver.Value : _state?.Resolver ?? ResolverFile.Empty; init =>
        _resolver = new(value);
    }

    /// <summary>What containers with a network of their own get of it: where it names a resolver on the host's loopback, the file behind
    /// that.</summary>
    internal ResolverFile ContainersResolver
    {
        get => _containersResolver.IsKnown ? _containersResolver.Value : _state?.ContainersResolver ?? ResolverFile.Empty;
        init => _containersResolver = new(value);
    }

    /// <summary>The addresses of an egress policy's names, which the container is to find by them: looked up before it starts.</summary>
    internal ImmutableSortedDictionary<string, ImmutableArray<System.Net.IPAddress>> PinnedNames { get; init; } =
        ImmutableSortedDictionary<string, ImmutableArray<System.Net.IPAddress>>.Empty;

    /// <summary>The host's /etc/hosts.</summary>
    internal string Hosts { get => _hosts.IsKnown ? _hosts.Value : _state?.Hosts ?? ""; init => _hosts = new(value); }

    /// <summary>The directories and links in the host's root directory.</summary>
    public ImmutableArray<HostRootEntry> RootEntries
    {
        get => _rootEntries.IsKnown ? _rootEntries.Value : _state?.RootEntries ?? [];
        init => _rootEntries = new(value);
    }

    /// <summary>The signals that this process ignores, by their numbers:
    /// a shell's nohup or a service manager's setting. A container does not.</summary>
    public ImmutableArray<Signal> IgnoredSignals { get; init; } = [];

    /// <summary>Finds the rule that allows a device, by its path; null where there is no such device.</summary>
    internal Func<string, DeviceRule?> FindDevice { get; init; } = DeviceRule.TryOf;

    /// <summary>Whether this process may make namespaces without a user namespace of its own, and use what belongs to the host:
    /// CAP_SYS_ADMIN in the initial user namespace.</summary>
    public bool IsPrivileged => IsInitialUserNamespace && Capabilities.Contains(Capability.SysAdmin);

    /// <summary>Why this process is not privileged.</summary>
    internal string PrivilegeObstacle => Capabilities.Contains(Capability.SysAdmin)
        ? "this process is in a user namespace, and its CAP_SYS_ADMIN holds for that only" : "this process lacks CAP_SYS_ADMIN";

    /// <summary>Whether mounts at a path travel to the host.</summary>
    internal bool IsShared(string path) => _state is null || HostState.IsShared(path);

    /// <summary>Finds the files of the process whose network a container joins; null where it joins none of a process.</summary>
    internal JoinedFiles? FindJoinedFiles(ImmutableArray<JoinedNamespace> joined) => _state is null ? null : JoinedFiles.Find(joined);

    private static HostFacts ProbeFixed()
    {
        if (!FileSyscalls.Exists("/proc/self/status"))
            throw new KernelFeatureException("a container", "proc is not mounted on /proc", "Mount it: mount -t proc proc /proc.");
        bool initial = IdentityOf("/proc/self/ns/user", Fcntl.O_RDONLY)?.Inode is InitialUserNamespace or null;
        return new HostFacts
        {
            Kernel = KernelVersion.Running,
            Architecture = RuntimeInformation.ProcessArchitecture,
            UserId = 0,
            GroupId = 0,
            Capabilities = CapabilitySet.None,
            Bounding = CapabilitySet.None,
            KnownCapabilities = CapabilitySet.All,
            IsInitialUserNamespace = initial,
            OwnUserIds = initial ? null : ReadMap("/proc/self/uid_map"),
            OwnGroupIds = initial ? null : ReadMap("/proc/self/gid_map"),
            ExecutableOwner = IdentityOf("/proc/self/exe", Fcntl.O_PATH)?.Owner ?? 0,
            HasClone3 = CloneSupport.HasClone3,
            IgnoredSignals = SignalSteps.ReadIgnored(),
            SecurityModules = Security.SecurityModules.Active,
            LandlockAbi = Landlock.Abi,
        };
    }

    /// <summary>Checks the host: each feature, whether it works, and the remedy.</summary>
    public ImmutableArray<HostCheck> Checks()
    {
        var minimum = new KernelVersion(5, 12);
        string ranges = string.Create(CultureInfo.InvariantCulture,
            $"{SubUserIds.Sum(g => g.Count)} user ids, {SubGroupIds.Sum(g => g.Count)} group ids");
        bool helpers = NewUidMap is not null && NewGidMap is not null;
        return
        [
            new("kernel", Kernel >= minimum, Kernel.ToString(),
                Kernel >= minimum ? null : "Linux 5.12 or newer is needed, for the descriptor-based mount interface."),
            new("architecture", Architecture is Architecture.X64 or Architecture.Arm64, Architecture.ToString(), null),
            new("privileges", IsPrivileged || UserNamespaceObstacle is null,
                IsPrivileged ? "CAP_SYS_ADMIN" : Capabilities.Contains(Capability.SysAdmin)
                    ? "CAP_SYS_ADMIN in a user namespace: an ordinary user's rights on the host" : "an ordinary user", null),
            new("user namespaces", UserNamespaceObstacle is null, UserNamespaceObstacle ?? "allowed", UserNamespaceRemedy),
            new("id ranges", IsPrivileged || (helpers && !SubUserIds.IsEmpty && !SubGroupIds.IsEmpty),
                helpers ? ranges : $"{ranges}; newuidmap or newgidmap is not installed",
                IsPrivileged || (helpers && !SubUserIds.IsEmpty && !SubGroupIds.IsEmpty) ? null
                    : "Only one id can be mapped. For ranges: install the package uidmap, and add a line USER:100000:65536 "
                        + "to /etc/subuid and /etc/subgid."),
            new("clone3", HasClone3, HasClone3 ? "works" : "refused; clone(2) is used", null),
            new("control groups", Cgroups.Obstacle is null,
                Cgroups.Obstacle is { } blocked ? $"{Cgroups.Mode}; {blocked}" : $"{Cgroups.Mode}; {CgroupControllers}", Cgroups.Remedy),
            new("user-mode network", IsPrivileged || Pasta is not null || Slirp4netns is not null,
                Pasta ?? Slirp4netns ?? "neither pasta nor slirp4netns is installed",
                IsPrivileged || Pasta is not null || Slirp4netns is not null
                    ? null
                    : "For networks of ordinary users install the package passt, or slirp4netns."),
            new("Landlock", LandlockAbi > 0,
                LandlockAbi > 0 ? string.Create(CultureInfo.InvariantCulture, $"ABI {LandlockAbi}") : "not active",
                LandlockAbi > 0 ? null : "Have landlock in the list of the kernel's command line: lsm=landlock,..."),
            new("security modules", true, SecurityModules.IsEmpty ? "unknown" : string.Join(", ", SecurityModules), null),
        ];
    }

    private string CgroupControllers => Cgroups.Mode == CgroupMode.Unified
        ? string.Join(' ', Cgroups.Controllers)
        : string.Join(' ', Cgroups.Hierarchies.V1.Keys.Where(c => !c.StartsWith("name=", StringComparison.Ordinal)))
            + (Cgroups.Controllers.IsEmpty ? "" : "; on version 2: " + string.Join(' ', Cgroups.Controllers));

    private static IdMap? ReadMap(string path)
    {
        try
        {
            return TextFile.ReadIfAllowed(path) is { } text ? IdMap.Parse(text) : null;
        }
        catch (FormatException)
        {
            return null; // a namespace that nobody has given a map yet
        }
    }

    /// <summary>What a file is; null where there is none. What fails for another reason, such as too many open files, must not be taken
    /// for that: the answer is kept for the life of the process.</summary>
    private static FileIdentity? IdentityOf(string path, uint flags)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, flags);
        if (opened.Errno is Errno.ENOENT or Errno.EACCES)
            return null;
        opened.ThrowIfError("open", path, "openat(2)");
        using var file = new LinuxHandle((int)opened.Value);
        FileSyscalls.Stat(file, out FileIdentity identity).ThrowIfError("look at", path, "statx(2)");
        return identity;
    }

    /// <summary>A fact that was given, or else is asked of the host.</summary>
    private readonly record struct Fact<T>(T Value)
    {
        internal bool IsKnown { get; } = true;
    }
}
