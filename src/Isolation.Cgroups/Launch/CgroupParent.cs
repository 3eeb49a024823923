using System.Collections.Immutable;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Linux.Programs;
using Isolation.Linux.Syscalls;

namespace Isolation.Cgroups;

/// <summary>Finds the control groups of containers: below the one where this process would make them (<see cref="CgroupFacts.Parent"/>), or
/// below that of another process that has started one.</summary>
/// <remarks>On version 1 a process may be elsewhere in each hierarchy. One hierarchy is searched, and a member of what is found tells where
/// the container is in the others. Mounts and control groups are read once, when it is made and first searched.</remarks>
internal sealed class CgroupParent
{
    private readonly CgroupFacts _facts;
    private readonly CgroupHierarchies _hierarchies = CgroupHierarchies.Read();
    private readonly CgroupMount _mount;
    private readonly string _controller;
    private readonly string[] _own;
    private readonly HashSet<string> _ownNames;
    private readonly Lazy<ILookup<string, string[]>> _places;

    internal CgroupParent(CgroupFacts facts)
    {
        _facts = facts;
        // The hierarchy that every container is in: version 2's, else the first of those that a start uses.
        _controller = _hierarchies.V2 is not null ? ""
            : CgroupLaunch.WantedV1.FirstOrDefault(_hierarchies.V1.ContainsKey) ?? "freezer";
        _mount = (_controller.Length == 0 ? _hierarchies.V2 : _hierarchies.V1.GetValueOrDefault(_controller))
            ?? throw new KernelFeatureException("containers with control groups", facts.Obstacle ?? "no control groups are mounted",
                facts.Remedy);
        _own = CgroupPath.Parts(facts.Mode == CgroupMode.Unified ? facts.Parent : _mount.Self, "/");
        _ownNames = [.. Children(_own)];
        _places = new(() => Search().SelectMany(parts => Children(parts).Select(name => (name, parts)))
            .ToLookup(p => p.name, p => p.parts, StringComparer.Ordinal));
    }

    /// <summary>The names of the control groups of containers that something runs in, with the prefix.</summary>
    internal ImmutableArray<string> ReadNames() =>
        [.. _places.Value.Select(p => p.Key).Concat(_ownNames).Distinct().Where(HasProcesses).Order(StringComparer.Ordinal)];

    /// <exception cref="LinuxException"><c>ENOENT</c>: there is none. <c>ENOTUNIQ</c>: there are several.</exception>
    internal Cgroup OpenChild(string name)
    {
        string[][] found = Find(name);
        if (found.Length == 0)
            throw new LinuxException("open", $"cgroup \"{CgroupPath.Join([.. _own, name])}\"", "openat(2)", Errno.ENOENT);
        if (found.Length > 1)
        {
            string places = string.Join(", ", found.Select(CgroupPath.Join));
            throw new LinuxException("find", $"cgroup \"{name}\"", "getdents64(2)", Errno.ENOTUNIQ,
                remedy: $"There is one below each of {places}: ask from the control group of the one that is meant.");
        }

        string[] parts = [.. found[0], name];
        CgroupDirectory main = CgroupDirectory.TryOpen(_mount.MountPoint, parts)
            ?? throw new LinuxException("open", $"cgroup \"{CgroupPath.Join(parts)}\"", "openat(2)", Errno.ENOENT);
        if (_facts.Mode == CgroupMode.Unified)
            return new CgroupV2(main);
        using (main)
            return OpenV1(main, name);
    }

    /// <summary>The control groups that have one of that name directly below: this process's own, else all.</summary>
    private string[][] Find(string name) => _ownNames.Contains(name) ? [_own] : [.. _places.Value[name]];

    private bool HasProcesses(string name)
    {
        if (Find(name) is not [string[] parts])
            return true; // of several, one is told from another only when it is opened
        using CgroupDirectory? directory = CgroupDirectory.TryOpen(_mount.MountPoint, [.. parts, name]);
        return directory is not null && Members(directory).Count > 0;
    }

    private CgroupV1 OpenV1(CgroupDirectory main, string name)
    {
        int[] members = [.. Members(main).Where(id => id != 0)];
        var directories = new List<(ImmutableArray<string>, CgroupDirectory)>();
        foreach (var mounted in _hierarchies.V1.Where(m => CgroupV1.IsController(m.Key)).GroupBy(m => m.Value, m => m.Key))
        {
            // A member of the container is in its control group or, where it made others, below it.
            IEnumerable<string[]> paths = members.Select(id => mounted.Key.PathOf(id, mounted.First())).OfType<string>().Select(p =>
                CgroupPath.Parts(p, "/"));
            string[] parts = paths.FirstOrDefault(p => p.Contains(name)) is { } path
                ? path[..(Array.IndexOf(path, name) + 1)]
                : CgroupPath.Parts(name, mounted.Key.Self);
            if (CgroupDirectory.TryOpen(mounted.Key.MountPoint, parts) is { } directory)
                directories.Add(([.. mounted], directory));
        }

        CgroupV2? v2 = _controller.Length > 0 ? null : new CgroupV2(CgroupDirectory.TryOpen(main.MountPoint, main.Parts)
            ?? throw new LinuxException("open", $"cgroup \"{main.Path}\"", "openat(2)", Errno.ENOENT));
        return CgroupV1.Adopt(directories, v2);
    }

    /// <summary>The control groups that have a container's directly below them.</summary>
    /// <remarks>Only those of the superuser and of this process's user are looked into, and none of a container's own: whatever their owner
    /// makes there may have any name.</remarks>
    private IEnumerable<string[]> Search()
    {
        uint user = (uint)RawSyscall.Invoke(Syscall.geteuid).Value;
        var waiting = new Stack<string[]>([[]]);
        while (waiting.TryPop(out string[]? parts))
        {
            using CgroupDirectory? directory = CgroupDirectory.TryOpen(_mount.MountPoint, parts);
            if (directory is null || FileSyscalls.Stat(directory.Handle, out FileIdentity identity).IsError || (identity.Owner != 0
                && identity.Owner != user))
                continue;
            string[] names = Names(directory);
            if (names.Any(IsContainer))
                yield return parts;
            foreach (string name in names.Where(n => !n.StartsWith(CgroupName.Prefix, StringComparison.Ordinal)))
                waiting.Push([.. parts, name]);
        }
    }

    private string[] Children(string[] parts)
    {
        using CgroupDirectory? directory = CgroupDirectory.TryOpen(_mount.MountPoint, parts);
        return directory is null ? [] : [.. Names(directory).Where(IsContainer)];
    }

    private static bool IsContainer(string name) => name.StartsWith(CgroupName.Prefix, StringComparison.Ordinal)
        && name != CgroupFacts.OwnLeaf;

    private static string[] Names(CgroupDirectory directory)
    {
        try
        {
            return directory.ChildNames();
        }
        catch (IOException)
        {
            return []; // deleted meanwhile
        }
    }

    private static List<int> Members(CgroupDirectory directory)
    {
        var members = new List<int>();
        try
        {
            members.AddRange(directory.ReadIds("cgroup.procs"));
        }
        catch (LinuxException e) when (e.Errno is Errno.EOPNOTSUPP or Errno.ENODEV or Errno.ENOENT)
        {
            // threaded, or deleted meanwhile
        }

        foreach (CgroupDirectory child in directory.Children())
        {
            using (child)
                members.AddRange(Members(child));
        }

        return members;
    }
}
