using System.Collections.Immutable;
using System.Globalization;
using Isolation.Linux;

namespace Isolation.Cgroups;

/// <summary>A control group of a version 1 or hybrid host: a directory of the same name in the hierarchy of each controller, and in
/// version 2's where that is mounted too. Held open; disposing closes it and leaves it there.</summary>
/// <remarks>Takes settings in version 2's words, and version 1's own. On hybrid hosts a controller is used where it is mounted. See the
/// kernel's cgroup-v1 guides.</remarks>
/// <example><code>
/// using CgroupV1 group = CgroupV1.Create("/jobs/17", "cpu", "cpuacct");
/// group.AddProcess(processId);
/// </code></example>
public sealed partial class CgroupV1 : Cgroup, ICgroupControls<CgroupV1>
{
    private static readonly string[] s_controllers = ["cpu", "cpuacct", "cpuset", "memory", "blkio", "pids", "devices", "freezer",
        "hugetlb", "net_cls", "net_prio"];

    private readonly ImmutableArray<string> _elsewhere;
    private ImmutableSortedDictionary<string, CgroupDirectory> _directories;
    private readonly CgroupV2? _unified;

    private CgroupV1(string path, ImmutableSortedDictionary<string, CgroupDirectory> directories, CgroupV2? unified,
        ImmutableArray<string> elsewhere = default)
        : base(path) => (_directories, _unified, _elsewhere) = (directories, unified, elsewhere.IsDefault ? [] : elsewhere);

    /// <summary>The controllers whose hierarchies it is in.</summary>
    public IEnumerable<string> Controllers => _directories.Keys;

    /// <summary>Creates a control group in every hierarchy, or opens it where it is there.</summary>
    /// <param name="path">From each hierarchy's root where it begins with a slash,
    /// else from this process's own control group in each.</param>
    /// <exception cref="LinuxException"><c>EACCES</c>: not permitted. <c>EROFS</c>: mounted read-only.</exception>
    /// <exception cref="KernelFeatureException">No hierarchy of version 1 is mounted.</exception>
    public static new CgroupV1 Create(string path) => Walk(path, [], create: true);

    /// <summary>Creates a control group in the hierarchies of some controllers alone, or opens it where it is there, as
    /// <c>cgcreate -g cpu,cpuacct:PATH</c> does.</summary>
    /// <param name="path">From each hierarchy's root where it begins with a slash, else from this process's own control group in
    /// each.</param>
    /// <param name="controllers">Controllers of version 1: <c>cpu</c>, <c>memory</c>. One that is mounted together with others brings them
    /// along.</param>
    /// <exception cref="LinuxException"><c>EACCES</c>: not permitted. <c>EROFS</c>: mounted read-only.</exception>
    /// <exception cref="KernelFeatureException">A controller is not mounted on version 1.</exception>
    public static CgroupV1 Create(string path, params IEnumerable<string> controllers) => Walk(path, NotEmpty(controllers), create: true);

    /// <summary>Opens a control group in every hierarchy that has it.</summary>
    /// <param name="path">From each hierarchy's root where it begins with a slash,
    /// else from this process's own control group in each.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: no hierarchy has it.</exception>
    /// <exception cref="KernelFeatureException">No hierarchy of version 1 is mounted.</exception>
    public static new CgroupV1 Open(string path) => Walk(path, [], create: false);

    /// <summary>Opens a control group in the hierarchies of some controllers alone.</summary>
    /// <param name="path">From each hierarchy's root where it begins with a slash, else from this process's own control group in
    /// each.</param>
    /// <param name="controllers">Controllers of version 1, as for <see cref="Create(string, IEnumerable{string})"/>.</param>
    /// <exception cref="LinuxException"><c>ENOENT</c>: none of these hierarchies has it.</exception>
    /// <exception cref="KernelFeatureException">A controller is not mounted on version 1.</exception>
    public static CgroupV1 Open(string path, params IEnumerable<string> controllers) => Walk(path, NotEmpty(controllers), create: false);

    /// <inheritdoc cref="Cgroup.With"/>
    public new CgroupV1 With(CgroupSetting setting)
    {
        base.With(setting);
        return this;
    }

    /// <inheritdoc/>
    public override void AddProcess(int processId) => Add("cgroup.procs", processId);

    /// <inheritdoc/>
    public override void AddThread(int threadId) => Add("tasks", threadId);

    /// <inheritdoc/>
    public override string? Read(string file)
    {
        string controller = new CgroupSetting(file, "").Controller;
        return _directories.TryGetValue(controller, out CgroupDirectory? directory) ? directory.TryRead(file) : Main.TryRead(file);
    }

    private protected override IEnumerable<string> Elsewhere => _elsewhere;

    internal override IEnumerable<CgroupDirectory> Directories => _unified is null
        ? _directories.Values.Distinct()
        : _directories.Values.Distinct().Append(_unified.Main);

    internal override CgroupDirectory Main => _unified?.Main ?? _directories.Values.First();

    internal override CgroupDirectory? Unified => _unified?.Main;

    internal bool HasMemory => _directories.ContainsKey("memory");

    internal CgroupDirectory? TryDirectory(string controller) => _directories.GetValueOrDefault(controller);

    private CgroupDirectory Directory(string controller) => _directories[controller];

    private bool Has(string file) => _directories.TryGetValue(new CgroupSetting(file, "").Controller, out CgroupDirectory? directory)
        && directory.Has(file);

    private void Add(string file, int id)
    {
        string text = id.ToString(CultureInfo.InvariantCulture);
        foreach (CgroupDirectory directory in _directories.Values.Distinct())
            directory.Write(new CgroupSetting(file, text));
        _unified?.Main.Write(new CgroupSetting(file == "tasks" ? "cgroup.threads" : file, text));
    }

    /// <summary>Whether control groups of version 1 can be limited by it: named hierarchies have no limits.</summary>
    internal static bool IsController(string name) => s_controllers.Contains(name);

    private static KernelFeatureException NotMounted(string controller) => new($"the controller {controller} of version 1",
        "it is not mounted", $"Mount its hierarchy: mount -t cgroup -o {controller} {controller} DIRECTORY; or use a host with version 2.");

    private static string V1Controller(string controller) => controller == "io" ? "blkio" : controller;

    private static bool IsV1Word(string controller) => s_controllers.Contains(V1Controller(controller));

    /// <summary>Opens this process's own control group in every hierarchy.</summary>
    internal static CgroupV1 OpenOwn() => Walk("", [], create: false);

    /// <summary>Takes over open directories, each with the controllers of its hierarchy.</summary>
    /// <param name="directories">The directories, at least one where there is no other.</param>
    /// <param name="unified">Version 2's.</param>
    /// <param name="elsewhere">Where directories of it may be made later by others; they are removed with it.</param>
    internal static CgroupV1 Adopt(IEnumerable<(ImmutableArray<string> Controllers, CgroupDirectory Directory)> directories,
        CgroupV2? unified, ImmutableArray<string> elsewhere = default)
    {
        ImmutableSortedDictionary<string, CgroupDirectory> all = directories.SelectMany(d => d.Controllers.Select(c => (c, d.Directory)))
            .ToImmutableSortedDictionary(d => d.c, d => d.Directory, StringComparer.Ordinal);
        return new CgroupV1((unified?.Main ?? all.Values.First()).Path, all, unified, elsewhere);
    }

    private static string[] NotEmpty(IEnumerable<string> controllers)
    {
        string[] chosen = [.. controllers ?? throw new ArgumentNullException(nameof(controllers))];
        return chosen.Length > 0 ? chosen : throw new ArgumentException("Name at least one controller.", nameof(controllers));
    }

    /// <param name="path">The path.</param>
    /// <param name="chosen">The controllers whose hierarchies count; all, and version 2's, where it is empty.</param>
    /// <param name="create">Whether what is missing is made.</param>
    private static CgroupV1 Walk(string path, string[] chosen, bool create)
    {
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        if (chosen.FirstOrDefault(c => !s_controllers.Contains(c) || !hierarchies.V1.ContainsKey(c)) is { } missing)
            throw NotMounted(missing);
        bool IsChosen(CgroupMount mount) => chosen.Length == 0 || chosen.Any(c => hierarchies.V1[c].MountPoint == mount.MountPoint);
        if (hierarchies.Mode is not (CgroupMode.Legacy or CgroupMode.Hybrid))
            throw new KernelFeatureException("control groups of version 1", "no hierarchy of version 1 is mounted",
                "Use CgroupV2, or Cgroup, which takes what is there.");
        var directories = ImmutableSortedDictionary.CreateBuilder<string, CgroupDirectory>(StringComparer.Ordinal);
        CgroupV2? unified = null;
        try
        {
            foreach (string controller in s_controllers.Where(c => hierarchies.V1.TryGetValue(c, out CgroupMount? at) && IsChosen(at)))
            {
                CgroupMount mount = hierarchies.V1[controller];
                // cpu and cpuacct, net_cls and net_prio are often mounted together.
                if (directories.Values.FirstOrDefault(d => d.MountPoint == mount.MountPoint) is { } shared)
                    directories[controller] = shared;
                else if (OpenOne(mount, path, create) is { } directory)
                    directories[controller] = directory;
            }

            if (chosen.Length == 0 && hierarchies.V2 is { } v2 && OpenOne(v2, path, create) is { } main)
                unified = new CgroupV2(main);
            if (directories.Count == 0 && unified is null)
                throw new LinuxException("open", $"cgroup \"{path}\"", "openat(2)", Errno.ENOENT);
            if (create && directories.TryGetValue("cpuset", out CgroupDirectory? cpuset))
                InheritCpuset(cpuset);
            // Its name is the one that the caller knows: paths differ between hierarchies where the caller is not at their roots.
            return new CgroupV1((unified?.Main ?? directories.Values.First()).Path, directories.ToImmutable(), unified);
        }
        catch
        {
            foreach (CgroupDirectory directory in directories.Values)
                directory.Dispose();
            unified?.Dispose();
            throw;
        }
    }

    private static CgroupDirectory? OpenOne(CgroupMount mount, string path, bool create)
    {
        string[] parts = CgroupPath.Parts(path, mount.Self);
        return create ? CgroupDirectory.Create(mount.MountPoint, parts) : CgroupDirectory.TryOpen(mount.MountPoint, parts);
    }

    /// <summary>Fills empty <c>cpuset.cpus</c> and <c>cpuset.mems</c> from the control groups above:
    /// nothing can be moved to one that has none.</summary>
    private static void InheritCpuset(CgroupDirectory cpuset)
    {
        for (int i = 1; i <= cpuset.Parts.Length; i++)
        {
            using CgroupDirectory above = CgroupDirectory.TryOpen(cpuset.MountPoint, cpuset.Parts[..(i - 1)])!;
            using CgroupDirectory level = CgroupDirectory.TryOpen(cpuset.MountPoint, cpuset.Parts[..i])!;
            foreach (string file in new[] { "cpuset.cpus", "cpuset.mems" })
            {
                if (level.Read(file).Trim().Length == 0)
                    level.Write(new CgroupSetting(file, above.Read(file).Trim()));
            }
        }
    }
}
