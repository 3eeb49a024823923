using System.Collections.Immutable;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>The containers of this host that have a control group where this process's would be: found by name, whoever started them.</summary>
public static class RunningContainers
{
    /// <summary>Their names: given, or made up. A control group that was left without processes is none of them.</summary>
    public static ImmutableArray<string> ReadNames()
    {
        if (HostFacts.Current.Cgroups is { Obstacle: not null })
            return [];
        using Cgroup parent = CgroupParent.Open(HostFacts.Current.Cgroups);
        return [.. parent.ReadChildNames().Where(n => n.StartsWith(CgroupName.Prefix, StringComparison.Ordinal) && n != CgroupFacts.OwnLeaf && HasProcesses(n)).Select(n => n[CgroupName.Prefix.Length..])];
    }

    /// <summary>Finds a process of a container, whose namespaces others may join: by the container's name, or the process's own number.</summary>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such container. <c>ESRCH</c>: nothing runs in it.</exception>
    public static int FindProcess(string nameOrProcessId)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrProcessId);
        if (int.TryParse(nameOrProcessId, System.Globalization.NumberStyles.None, System.Globalization.CultureInfo.InvariantCulture, out int id) && id > 0)
            return id;
        using Cgroup cgroup = Open(nameOrProcessId);
        return cgroup.ReadProcesses(recursive: true) is [var first, ..] ? first : throw new LinuxException("find", $"a process of container \"{nameOrProcessId}\"", "read(2)", Errno.ESRCH);
    }

    /// <summary>Opens the control group of one: its statistics, limits, processes. Freezing it pauses the container.</summary>
    /// <param name="name">The container's name.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such container.</exception>
    /// <exception cref="KernelFeatureException">This process can have no containers with control groups.</exception>
    public static Cgroup Open(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (HostFacts.Current.Cgroups.Obstacle is { } obstacle)
            throw new KernelFeatureException("containers with control groups", obstacle, HostFacts.Current.Cgroups.Remedy);
        try
        {
            return CgroupParent.OpenChild(HostFacts.Current.Cgroups, CgroupName.Prefix + name);
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            ImmutableArray<string> names = ReadNames();
            throw new LinuxException("find", $"container \"{name}\"", e.Call, e.Errno, hint: names.IsEmpty ? "No container is running." : $"Running are: {string.Join(", ", names)}.");
        }
    }

    private static bool HasProcesses(string name)
    {
        try
        {
            using Cgroup cgroup = CgroupParent.OpenChild(HostFacts.Current.Cgroups, name);
            return !cgroup.ReadProcesses(recursive: true).IsEmpty;
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            return false; // it ended meanwhile
        }
    }
}
