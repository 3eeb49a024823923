using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Syscalls;

namespace Isolation.Containers;

/// <summary>Resolves users and groups by a root's own /etc/passwd and /etc/group, which are not trusted.</summary>
internal static class UserFiles
{
    // Some 100,000 users. What is larger is refused, since a user that is not looked for would have other groups.
    private const int MaxFileSize = 8 * 1024 * 1024;

    /// <summary>Resolves a spec's user and groups, reading the root's files where there is a name.</summary>
    /// <exception cref="SpecException">A name is unknown, a number is out of range or none,
    /// or a file that is needed cannot be read.</exception>
    internal static ResolvedUser Resolve(ContainerSpec spec)
    {
        // For a user and group by number it only says which directory is the home.
        bool needsUser = spec.User.Group is null || !TryId(spec.User.User, out _);
        string passwd = Read(spec.Rootfs, "etc/passwd", needsUser, "process.user.uid", spec.User.User);
        bool needsGroups = NeedsGroups(spec);
        string group = needsGroups || spec.User.Group is null
            ? Read(spec.Rootfs, "etc/group", needsGroups, "process.user.gid", spec.User.ToString()) : "";
        return Resolve(spec, passwd, group);
    }

    /// <summary>Resolves a spec whose user and groups are numbers, without any file.</summary>
    internal static ResolvedUser ResolveNumbers(ContainerSpec spec) => Resolve(spec, passwd: "", group: "");

    internal static ResolvedUser Resolve(ContainerSpec spec, string passwd, string group)
    {
        var faults = new List<SpecFault>();
        string[]? entry = FindUser(passwd, spec.User.User);
        uint user = Id(spec.User.User, entry, "process.user.uid", "a user in the root's /etc/passwd", faults);
        uint primary = spec.User.Group is { } named
            ? Id(named, FindGroup(group, named), "process.user.gid", "a group in the root's /etc/group", faults)
            : entry is null ? 0 : OwnGroup(entry, faults);
        ImmutableArray<uint> additional =
        [
            .. spec.AdditionalGroups.Select((g, i) => Id(g, FindGroup(group, g),
                string.Create(CultureInfo.InvariantCulture, $"process.user.additionalGids[{i}]"),
                "a group in the root's /etc/group", faults)),
        ];
        // A user without a group gets those that list it, by name or by number: GetExecUser of github.com/moby/sys/user, which docker uses.
        if (spec.User.Group is null && (entry?[0] ?? (TryId(spec.User.User, out _) ? null : spec.User.User)) is { } name)
            additional = [.. additional, .. Memberships(group, name, faults)];
        if (faults.Count > 0)
            throw new SpecException(faults);
        return new ResolvedUser(user, primary, [.. additional.Distinct()], entry is { Length: > 5 } && IsHome(entry[5]) ? entry[5] : "/");
    }

    private static bool IsHome(string path) => path.StartsWith('/') && !path.Contains('\0', StringComparison.Ordinal);

    // Never 0 in the place of what is no number.
    private static uint OwnGroup(string[] entry, List<SpecFault> faults)
    {
        if (entry.Length > 3 && TryId(entry[3], out uint id))
            return id;
        faults.Add(new SpecFault("process.user.gid", $"must be a number for \"{PrintableText.Of(entry[0])}\" in the root's /etc/passwd",
            entry.Length > 3 ? entry[3] : null));
        return 0;
    }

    /// <summary>Strict: digits only, so that a name that begins with digits is never taken for a number.</summary>
    internal static bool TryId(string text, out uint id) =>
        uint.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out id) && id != uint.MaxValue;

    private static bool NeedsGroups(ContainerSpec spec) => spec.AdditionalGroups.Any(g => !TryId(g, out _))
        || (spec.User.Group is { } named && !TryId(named, out _)) || !TryId(spec.User.User, out _);

    private static uint Id(string text, string[]? entry, string path, string rule, List<SpecFault> faults)
    {
        if (TryId(text, out uint id) || (entry is { Length: > 2 } && TryId(entry[2], out id)))
            return id;
        faults.Add(new SpecFault(path,
            text.Length > 0 && text.All(char.IsAsciiDigit) ? "must be an id from 0 to 4294967294" : "must be " + rule, text));
        return 0;
    }

    // A number in digits is never looked up as a name; the entry that has it gives group and home.
    private static string[]? FindUser(string passwd, string user) => TryId(user, out uint number)
        ? Entries(passwd).FirstOrDefault(e => e.Length > 2 && TryId(e[2], out uint id) && id == number)
        : Entries(passwd).FirstOrDefault(e => e[0] == user);

    private static string[]? FindGroup(string group, string name) => TryId(name, out _)
        ? null
        : Entries(group).FirstOrDefault(e => e[0] == name);

    private static IEnumerable<uint> Memberships(string group, string user, List<SpecFault> faults)
    {
        foreach (string[] entry in Entries(group).Where(e => e.Length > 3 && e[3].Split(',').Contains(user)))
        {
            if (TryId(entry[2], out uint id))
                yield return id;
            else
                faults.Add(new SpecFault("process.user.additionalGids",
                    $"must be a number for \"{PrintableText.Of(entry[0])}\" in the root's /etc/group", entry[2]));
        }
    }

    private static IEnumerable<string[]> Entries(string text) =>
        text.Split('\n').Where(l => l.Length > 0).Select(l => l.TrimEnd('\r').Split(':'));

    /// <summary>Reads a file of the topmost layer that has it: resolved inside the layer, a regular file, of bounded size.</summary>
    private static string Read(Rootfs rootfs, string path, bool isNeeded, string faultPath, string faultValue)
    {
        SpecException Unusable(string rule) => new(new SpecFault(faultPath, $"needs the root's /{path}, which {rule}", faultValue));
        foreach (string layer in rootfs.Layers)
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, layer,
                Fcntl.O_PATH | Fcntl.O_DIRECTORY(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture));
            if (opened.IsAbsent)
                continue; // the launch will say what is wrong with the root
            opened.ThrowIfError("open", $"\"{layer}\"", "openat(2)");
            using var directory = new LinuxHandle((int)opened.Value);
            SyscallResult found = Open(directory, path, Fcntl.O_RDONLY | Fcntl.O_NONBLOCK);
            if (found.Errno == Errno.ENOENT && !IsThere(directory, path))
                continue;
            // It hides those of the layers below: a dangling link, or one that an overlay's upper directory has as removed.
            if (found.Errno is Errno.ENOENT or Errno.ENOTDIR or Errno.ENXIO)
                return "";
            if (found.IsAbsent)
                return isNeeded ? throw Unusable($"cannot be read ({found.Errno})") : "";
            found.ThrowIfError("open", $"the root's \"/{path}\"", "openat2(2)");
            using var file = new LinuxHandle((int)found.Value);
            FileSyscalls.Stat(file, out FileIdentity identity).ThrowIfError("look at", $"the root's \"/{path}\"", "statx(2)");
            if (!identity.IsRegular)
                return isNeeded ? throw Unusable("is no regular file") : "";
            if (identity.Size > MaxFileSize)
                throw Unusable("is larger than 8 MiB");
            return ReadAll(file, (int)identity.Size, out Errno errno)
                ?? throw new LinuxException("read", $"the root's \"/{path}\"", "read(2)", errno);
        }

        return "";
    }

    private static SyscallResult Open(LinuxHandle directory, string path, uint flags) =>
        FileSyscalls.OpenAt2(directory, path, flags, OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_MAGICLINKS);

    private static bool IsThere(LinuxHandle directory, string path)
    {
        SyscallResult entry = Open(directory, path,
            Fcntl.O_PATH | Fcntl.O_NOFOLLOW(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture));
        if (entry.IsAbsent)
            return false;
        entry.ThrowIfError("look at", $"the root's \"/{path}\"", "openat2(2)");
        new LinuxHandle((int)entry.Value).Dispose();
        return true;
    }

    /// <summary>The text of a file of that size; null where it cannot be read.</summary>
    internal static string? ReadAll(LinuxHandle file, int size, out Errno errno)
    {
        errno = Errno.None;
        var content = new byte[size];
        int length = 0;
        while (length < size)
        {
            SyscallResult part = FileSyscalls.Read(file, content.AsSpan(length));
            errno = part.Errno;
            if (part.IsError)
                return null;
            if (part.Value == 0)
                break;
            length += (int)part.Value;
        }

        return Encoding.UTF8.GetString(content, 0, length);
    }
}
