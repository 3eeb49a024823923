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

/// <summary>One thing that a preflight looked at.</summary>
/// <param name="Name">What was looked at.</param>
/// <param name="Works">Whether it can be used.</param>
/// <param name="Found">What was found.</param>
/// <param name="Remedy">What to do where it does not work; null where it works or nothing helps.</param>
public sealed record HostCheck(string Name, bool Works, string Found, string? Remedy);

/// <summary>What is known of the host and of this process on it: read once, an immutable value, and all that a plan looks at.</summary>
public sealed record HostFacts
{
    private static readonly string[] s_helperDirectories = ["/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/sbin/"];
    private static readonly Lazy<HostFacts> s_current = new(Probe);

    /// <summary>The facts of this host, probed at the first use.</summary>
    public static HostFacts Current => s_current.Value;

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

    /// <summary>Who owns the file of this process's program: whoever may write it could take over its next start.</summary>
    public uint ExecutableOwner { get; init; }

    /// <summary>User ids granted to this user by /etc/subuid.</summary>
    public ImmutableArray<SubIdFile.Grant> SubUserIds { get; init; } = [];

    /// <summary>Group ids granted to this user by /etc/subgid.</summary>
    public ImmutableArray<SubIdFile.Grant> SubGroupIds { get; init; } = [];

    /// <summary>The path of newuidmap; null where it is not installed.</summary>
    public string? NewUidMap { get; init; }

    /// <summary>The path of newgidmap; null where it is not installed.</summary>
    public string? NewGidMap { get; init; }

    /// <summary>What keeps this user from making user namespaces; null where nothing is known to.</summary>
    public string? UserNamespaceObstacle { get; init; }

    /// <summary>What to do about <see cref="UserNamespaceObstacle"/>.</summary>
    public string? UserNamespaceRemedy { get; init; }

    /// <summary>Whether clone3(2) may be used; outer containers often refuse it.</summary>
    public bool HasClone3 { get; init; } = true;

    /// <summary>Control groups: how they are mounted, and what this process may do with them.</summary>
    public CgroupFacts Cgroups { get; init; } = new();

    /// <summary>The active security modules, from /sys/kernel/security/lsm; empty where that cannot be read.</summary>
    public ImmutableArray<string> SecurityModules { get; init; } = [];

    /// <summary>The version of the kernel's Landlock; 0 where there is none.</summary>
    public int LandlockAbi { get; init; }

    /// <summary>The path of pasta; null where it is not installed.</summary>
    public string? Pasta { get; init; }

    /// <summary>The path of slirp4netns; null where it is not installed.</summary>
    public string? Slirp4netns { get; init; }

    /// <summary>The host's name servers, of /etc/resolv.conf, or those behind its own resolver.</summary>
    public ImmutableArray<System.Net.IPAddress> NameServers { get; init; } = [];

    /// <summary>The directories and links in the host's root directory.</summary>
    public ImmutableArray<HostRootEntry> RootEntries { get; init; } = [];

    /// <summary>The signals that this process ignores, by their numbers: a shell's nohup or a service manager's setting. A container does not.</summary>
    public ImmutableArray<int> IgnoredSignals { get; init; } = [];

    /// <summary>Whether this process may make namespaces without a user namespace of its own.</summary>
    public bool IsPrivileged => Capabilities.Contains(Capability.SysAdmin);

    /// <summary>Reads the facts of this host. Costs about a millisecond; most callers want <see cref="Current"/>.</summary>
    public static HostFacts Probe()
    {
        CapabilityState capabilities = Security.Capabilities.Read();
        uint user = (uint)RawSyscall.Invoke(Syscall.geteuid).Value;
        (string? obstacle, string? remedy) = FindUserNamespaceObstacle(capabilities.Effective.Contains(Capability.SysAdmin));
        return new HostFacts
        {
            Kernel = KernelVersion.Running,
            Architecture = RuntimeInformation.ProcessArchitecture,
            UserId = user,
            GroupId = (uint)RawSyscall.Invoke(Syscall.getegid).Value,
            Capabilities = capabilities.Effective,
            Bounding = capabilities.Bounding,
            KnownCapabilities = CapabilitySet.All,
            ExecutableOwner = OwnerOf("/proc/self/exe"),
            SubUserIds = SubIdFile.Read("/etc/subuid", Environment.UserName, user),
            SubGroupIds = SubIdFile.Read("/etc/subgid", Environment.UserName, user),
            NewUidMap = FindHelper("newuidmap"),
            NewGidMap = FindHelper("newgidmap"),
            UserNamespaceObstacle = obstacle,
            UserNamespaceRemedy = remedy,
            HasClone3 = CloneSupport.HasClone3,
            Cgroups = CgroupFacts.Probe(),
            Pasta = FindHelper("pasta"),
            Slirp4netns = FindHelper("slirp4netns"),
            NameServers = NetworkFiles.ReadHostNameServers(),
            RootEntries = HostRootEntry.Read(),
            IgnoredSignals = SignalSteps.ReadIgnored(),
            SecurityModules = Security.SecurityModules.Active,
            LandlockAbi = Landlock.Abi,
        };
    }

    /// <summary>What a preflight tells a person: each fact, whether it works, and the remedy.</summary>
    public ImmutableArray<HostCheck> Checks()
    {
        var minimum = new KernelVersion(5, 12);
        string ranges = string.Create(CultureInfo.InvariantCulture, $"{SubUserIds.Sum(g => g.Count)} user ids, {SubGroupIds.Sum(g => g.Count)} group ids");
        bool helpers = NewUidMap is not null && NewGidMap is not null;
        return
        [
            new("kernel", Kernel >= minimum, Kernel.ToString(), Kernel >= minimum ? null : "Linux 5.12 or newer is needed, for the descriptor-based mount interface."),
            new("architecture", Architecture is Architecture.X64 or Architecture.Arm64, Architecture.ToString(), null),
            new("privileges", IsPrivileged || UserNamespaceObstacle is null, IsPrivileged ? "CAP_SYS_ADMIN" : "an ordinary user", null),
            new("user namespaces", UserNamespaceObstacle is null, UserNamespaceObstacle ?? "allowed", UserNamespaceRemedy),
            new("id ranges", IsPrivileged || (helpers && !SubUserIds.IsEmpty && !SubGroupIds.IsEmpty),
                helpers ? ranges : $"{ranges}; newuidmap or newgidmap is not installed",
                IsPrivileged || (helpers && !SubUserIds.IsEmpty && !SubGroupIds.IsEmpty) ? null
                    : "Only one id can be mapped. For ranges: install the package uidmap, and add a line USER:100000:65536 to /etc/subuid and /etc/subgid."),
            new("clone3", HasClone3, HasClone3 ? "works" : "refused; clone(2) is used", null),
            new("control groups", Cgroups.Obstacle is null, Cgroups.Obstacle is { } blocked ? $"{Cgroups.Mode}; {blocked}" : $"{Cgroups.Mode}; {CgroupControllers}", Cgroups.Remedy),
            new("user-mode network", IsPrivileged || Pasta is not null || Slirp4netns is not null, Pasta ?? Slirp4netns ?? "neither pasta nor slirp4netns is installed",
                IsPrivileged || Pasta is not null || Slirp4netns is not null ? null : "For networks of ordinary users install the package passt, or slirp4netns."),
            new("Landlock", LandlockAbi > 0, LandlockAbi > 0 ? string.Create(CultureInfo.InvariantCulture, $"ABI {LandlockAbi}") : "not active",
                LandlockAbi > 0 ? null : "Have landlock in the list of the kernel's command line: lsm=landlock,..."),
            new("security modules", true, SecurityModules.IsEmpty ? "unknown" : string.Join(", ", SecurityModules), null),
        ];
    }

    private string CgroupControllers => Cgroups.Mode == CgroupMode.Unified
        ? string.Join(' ', Cgroups.Controllers)
        : string.Join(' ', Cgroups.Hierarchies.V1.Keys.Where(c => !c.StartsWith("name=", StringComparison.Ordinal))) + (Cgroups.Controllers.IsEmpty ? "" : "; on version 2: " + string.Join(' ', Cgroups.Controllers));

    private static (string? Obstacle, string? Remedy) FindUserNamespaceObstacle(bool privileged)
    {
        if (!File.Exists("/proc/self/ns/user"))
            return ("the kernel was built without user namespaces", "Use a kernel with CONFIG_USER_NS.");
        if (ReadLine("/proc/sys/user/max_user_namespaces") == "0")
            return ("user.max_user_namespaces is 0", "Set it: sysctl user.max_user_namespaces=15000.");
        if (privileged)
            return (null, null);
        if (ReadLine("/proc/sys/kernel/unprivileged_userns_clone") == "0")
            return ("kernel.unprivileged_userns_clone is 0", "Set it: sysctl kernel.unprivileged_userns_clone=1.");
        return ReadLine("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1"
            ? ("AppArmor restricts user namespaces (kernel.apparmor_restrict_unprivileged_userns is 1)",
                "Give the program an AppArmor profile with \"userns,\", or run sysctl kernel.apparmor_restrict_unprivileged_userns=0.")
            : (null, null);
    }

    private static string? ReadLine(string path)
    {
        try
        {
            return File.ReadAllText(path).Trim();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string? FindHelper(string name) =>
        s_helperDirectories.Select(d => d + name).FirstOrDefault(File.Exists);

    private static uint OwnerOf(string path)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH);
        if (opened.IsError)
            return 0;
        using var file = new LinuxHandle((int)opened.Value);
        return FileSyscalls.Stat(file, out FileIdentity identity).IsError ? 0 : identity.Owner;
    }
}
