using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>The containers of this host that have a control group: found by name, whoever started them and from whichever control group,
/// except in control groups that were given to another user.</summary>
/// <example><code>
/// foreach (string name in RunningContainers.ReadNames())
///     Console.WriteLine(name);
/// using PidHandle process = RunningContainers.OpenProcess("api"); // others may join its namespaces
/// </code></example>
public static class RunningContainers
{
    /// <summary>Their names: given, or made up. A control group that has no process is left out.</summary>
    public static ImmutableArray<string> ReadNames()
    {
        CgroupFacts facts = HostFacts.Current.Cgroups;
        return facts.Obstacle is null ? Names(new CgroupParent(facts)) : [];
    }

    /// <summary>Opens a process of a container, whose namespaces others may join:
    /// by the container's name, or the process's own number.</summary>
    /// <returns>The process, held: it is never another one that gets its number later. The caller closes it.</returns>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such container. <c>ESRCH</c>: nothing runs in it.</exception>
    public static PidHandle OpenProcess(string nameOrProcessId)
    {
        ArgumentException.ThrowIfNullOrEmpty(nameOrProcessId);
        if (int.TryParse(nameOrProcessId, NumberStyles.None, CultureInfo.InvariantCulture, out int id) && id > 0)
            return PidHandle.Open(id);
        using Cgroup cgroup = Open(nameOrProcessId);
        return OpenProcess(cgroup)
            ?? throw new LinuxException("find", $"a process of container \"{nameOrProcessId}\"", "read(2)", Errno.ESRCH);
    }

    /// <summary>Opens a process of a container, by its control group: one whose namespaces can be looked at, where there is one.</summary>
    /// <returns>The process, held: it is never another one that gets its number later. The caller closes it. Null where nothing runs in the
    /// control group.</returns>
    /// <exception cref="LinuxException"><c>ENODEV</c>: the control group has gone.</exception>
    public static PidHandle? OpenProcess(Cgroup cgroup)
    {
        ArgumentNullException.ThrowIfNull(cgroup);
        PidHandle? other = null;
        foreach (int id in cgroup.ReadProcesses(recursive: true).Where(id => id != 0))
        {
            PidHandle? process = PidHandle.TryOpen(id);
            // The number is read again: it may have become another process's before that was opened.
            if (process is null || !cgroup.ReadProcesses(recursive: true).Contains(id) || process.HasExited)
            {
                process?.Dispose();
                continue;
            }

            if (new FileInfo(string.Create(CultureInfo.InvariantCulture, $"/proc/{id}/ns/net")).LinkTarget is not null)
            {
                other?.Dispose();
                return process;
            }

            if (other is null)
                other = process;
            else
                process.Dispose();
        }

        return other;
    }

    /// <summary>Opens the control group of one: its statistics, limits, processes. Freezing it pauses the container.</summary>
    /// <param name="name">The container's name.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: there is no such container.</exception>
    /// <exception cref="KernelFeatureException">This process can have no containers with control groups.</exception>
    public static Cgroup Open(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        CgroupFacts facts = HostFacts.Current.Cgroups;
        if (facts.Obstacle is { } obstacle)
            throw new KernelFeatureException("containers with control groups", obstacle, facts.Remedy);
        var parent = new CgroupParent(facts);
        try
        {
            return parent.OpenChild(CgroupName.Prefix + name);
        }
        catch (LinuxException e) when (e.Errno == Errno.ENOENT)
        {
            ImmutableArray<string> names = Names(parent);
            throw new LinuxException("find", $"container \"{name}\"", e.Call, e.Errno,
                remedy: names.IsEmpty ? "No container is running." : $"Running are: {string.Join(", ", names)}.");
        }
    }

    /// <summary>Opens the control groups of several, by name, with one look at the host. One that ends meanwhile, or whose name two have,
    /// is left out. The caller closes each.</summary>
    /// <param name="isWanted">Which; null for all.</param>
    public static ImmutableSortedDictionary<string, Cgroup> OpenAll(Func<string, bool>? isWanted = null)
    {
        var open = ImmutableSortedDictionary.CreateBuilder<string, Cgroup>(StringComparer.Ordinal);
        CgroupFacts facts = HostFacts.Current.Cgroups;
        if (facts.Obstacle is not null)
            return open.ToImmutable();
        var parent = new CgroupParent(facts);
        foreach (string name in Names(parent).Where(n => isWanted?.Invoke(n) != false))
        {
            try
            {
                open[name] = parent.OpenChild(CgroupName.Prefix + name);
            }
            catch (LinuxException e) when (e.Errno is Errno.ENOENT or Errno.ENOTUNIQ)
            {
                // as told above
            }
        }

        return open.ToImmutable();
    }

    private static ImmutableArray<string> Names(CgroupParent parent) =>
        [.. parent.ReadNames().Select(n => n[CgroupName.Prefix.Length..])];
}
