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
    private const int MaxFileSize = 1024 * 1024;

    /// <summary>Resolves a spec's user and groups, reading the root's files where there is a name.</summary>
    /// <exception cref="SpecException">A name is unknown, or a number is out of range.</exception>
    internal static ResolvedUser Resolve(ContainerSpec spec)
    {
        string passwd = Read(spec.Rootfs, "etc/passwd");
        string group = NeedsGroups(spec) ? Read(spec.Rootfs, "etc/group") : "";
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
            : entry is { Length: > 3 } && TryId(entry[3], out uint own) ? own : 0;
        ImmutableArray<uint> additional =
        [
            .. spec.AdditionalGroups.Select((g, i) => Id(g, FindGroup(group, g), string.Create(CultureInfo.InvariantCulture, $"process.user.additionalGids[{i}]"),
                "a group in the root's /etc/group", faults)),
        ];
        if (faults.Count > 0)
            throw new SpecException(faults);
        // A named user also gets the groups that list it, as docker does.
        if (!TryId(spec.User.User, out _) && spec.User.Group is null)
            additional = [.. additional, .. Memberships(group, spec.User.User)];
        return new ResolvedUser(user, primary, [.. additional.Distinct()], entry is { Length: > 5 } && entry[5].StartsWith('/') ? entry[5] : "/");
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
        faults.Add(new SpecFault(path, text.Length > 0 && text.All(char.IsAsciiDigit) ? "must be an id from 0 to 4294967294" : "must be " + rule, text));
        return 0;
    }

    // A number in digits is never looked up as a name; the entry that has it gives group and home.
    private static string[]? FindUser(string passwd, string user) => TryId(user, out _)
        ? Entries(passwd).FirstOrDefault(e => e.Length > 2 && e[2] == user)
        : Entries(passwd).FirstOrDefault(e => e[0] == user);

    private static string[]? FindGroup(string group, string name) => TryId(name, out _) ? null : Entries(group).FirstOrDefault(e => e[0] == name);

    private static IEnumerable<uint> Memberships(string group, string user)
    {
        foreach (string[] entry in Entries(group))
        {
            if (entry.Length > 3 && entry[3].Split(',').Contains(user) && TryId(entry[2], out uint id))
                yield return id;
        }
    }

    private static IEnumerable<string[]> Entries(string text) => text.Split('\n').Where(l => l.Length > 0).Select(l => l.TrimEnd('\r').Split(':'));

    /// <summary>Reads a file of the topmost layer that has it: resolved inside the layer, a regular file, of bounded size.</summary>
    private static string Read(Rootfs rootfs, string path)
    {
        foreach (string layer in rootfs.Layers)
        {
            SyscallResult opened = FileSyscalls.OpenAt(null, layer, Fcntl.O_PATH | Fcntl.O_DIRECTORY(System.Runtime.InteropServices.RuntimeInformation.ProcessArchitecture));
            if (opened.IsError)
                continue; // the launch will say what is wrong with the root
            using var directory = new LinuxHandle((int)opened.Value);
            SyscallResult found = FileSyscalls.OpenAt2(directory, path, Fcntl.O_RDONLY | Fcntl.O_NONBLOCK, OpenAt2Abi.RESOLVE_IN_ROOT | OpenAt2Abi.RESOLVE_NO_MAGICLINKS);
            if (found.IsError)
                continue;
            using var file = new LinuxHandle((int)found.Value);
            if (FileSyscalls.Stat(file, out FileIdentity identity).IsError || !identity.IsRegular || identity.Size > MaxFileSize)
                continue;
            var content = new byte[identity.Size];
            long length = FileSyscalls.Read(file, content).Value;
            return length > 0 ? Encoding.UTF8.GetString(content, 0, (int)length) : "";
        }

        return "";
    }
}
