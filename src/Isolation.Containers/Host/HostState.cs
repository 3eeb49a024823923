using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Cgroups;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;
using Isolation.Namespaces;

namespace Isolation.Containers;

/// <summary>What may change on the host while this process runs, read when a plan first asks for it: mounts, settings, users,
/// programs.</summary>
internal sealed class HostState(bool privileged)
{
    private static readonly string[] s_helperDirectories = ["/usr/bin/", "/bin/", "/usr/local/bin/", "/usr/sbin/"];

    private readonly Lazy<(string? Obstacle, string? Remedy)> _userNamespaces = new(() => FindUserNamespaceObstacle(privileged));
    private readonly Lazy<ImmutableArray<SubIdFile.Grant>> _users = new(() => ReadGrants("/etc/subuid")),
        _groups = new(() => ReadGrants("/etc/subgid"));
    private readonly Lazy<string?> _newUidMap = new(() => FindHelper("newuidmap")), _newGidMap = new(() => FindHelper("newgidmap"));
    private readonly Lazy<string?> _pasta = new(() => FindHelper("pasta")), _slirp4netns = new(() => FindHelper("slirp4netns"));
    private readonly Lazy<CgroupFacts> _cgroups = new(CgroupFacts.Probe);
    private readonly Lazy<ResolverFile> _resolver = new(ResolverFile.ReadHost), _containersResolver = new(ResolverFile.ReadForContainers);
    private readonly Lazy<string> _hosts = new(NetworkFiles.ReadHosts);
    private readonly Lazy<ImmutableArray<HostRootEntry>> _rootEntries = new(HostRootEntry.Read);

    internal string? UserNamespaceObstacle => _userNamespaces.Value.Obstacle;

    internal string? UserNamespaceRemedy => _userNamespaces.Value.Remedy;

    internal ImmutableArray<SubIdFile.Grant> SubUserIds => _users.Value;

    internal ImmutableArray<SubIdFile.Grant> SubGroupIds => _groups.Value;

    internal string? NewUidMap => _newUidMap.Value;

    internal string? NewGidMap => _newGidMap.Value;

    internal string? Pasta => _pasta.Value;

    internal string? Slirp4netns => _slirp4netns.Value;

    internal CgroupFacts Cgroups => _cgroups.Value;

    internal ResolverFile Resolver => _resolver.Value;

    internal ResolverFile ContainersResolver => _containersResolver.Value;

    internal string Hosts => _hosts.Value;

    internal ImmutableArray<HostRootEntry> RootEntries => _rootEntries.Value;

    /// <summary>Whether the mount that a path is on has shared propagation; true too where that cannot be found out, as the launch then
    /// says what is wrong.</summary>
    internal static bool IsShared(string path)
    {
        SyscallResult opened = FileSyscalls.OpenAt(null, path, Fcntl.O_PATH);
        if (opened.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.EACCES)
            return true;
        opened.ThrowIfError("look at", $"\"{path}\"", "openat(2)");
        using var file = new LinuxHandle((int)opened.Value);
        string information = TextFile.Read(string.Create(CultureInfo.InvariantCulture, $"/proc/thread-self/fdinfo/{opened.Value}"));
        string? line = TextFile.Lines(information).FirstOrDefault(l => l.StartsWith("mnt_id:", StringComparison.Ordinal));
        return !int.TryParse(line.AsSpan(line?.IndexOf(':') + 1 ?? 0).Trim(), NumberStyles.None, CultureInfo.InvariantCulture, out int id)
            || MountInfo.Read().FirstOrDefault(m => m.Id == id) is not { } mount
            || mount.OptionalFields.Any(f => f.StartsWith("shared:", StringComparison.Ordinal));
    }

    private static ImmutableArray<SubIdFile.Grant> ReadGrants(string path) =>
        SubIdFile.Read(path, NameOf((uint)RawSyscall.Invoke(Syscall.geteuid).Value), (uint)RawSyscall.Invoke(Syscall.geteuid).Value);

    // The number where nobody knows a name. The C library, which knows users of networks too, takes an error while it reads for an unknown
    // user; it is asked for those alone that are not in the file.
    private static string NameOf(uint user)
    {
        string id = user.ToString(CultureInfo.InvariantCulture);
        string? line = TextFile.ReadIfAllowed("/etc/passwd") is { } users
            ? TextFile.Lines(users).FirstOrDefault(l => l.Split(':') is [{ Length: > 0 }, _, var number, ..] && number == id)
            : null;
        if (line is not null)
            return line[..line.IndexOf(':', StringComparison.Ordinal)];
        try
        {
            return Environment.UserName;
        }
        catch (IOException e)
        {
            LinuxException told = LinuxException.Of("find the name of user", id, e);
            return told.Errno.IsPassing() ? throw told : id;
        }
    }

    private static (string? Obstacle, string? Remedy) FindUserNamespaceObstacle(bool privileged)
    {
        if (!FileSyscalls.Exists("/proc/self/ns/user"))
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

    private static string? ReadLine(string path) => TextFile.ReadIfAllowed(path)?.Trim();

    private static string? FindHelper(string name) =>
        s_helperDirectories.Select(d => d + name).FirstOrDefault(FileSyscalls.Exists);
}
