using System.Globalization;

namespace Isolation.Testing;

/// <summary>What a launch could leave behind in this process and on the host, counted before and compared after.</summary>
public sealed class Leaks
{
    private readonly Dictionary<string, string> _descriptors = Descriptors();
    private readonly string _mounts = Mounts();
    private readonly HashSet<int> _children = [.. Children()];
    private readonly HashSet<string> _cgroups = [.. Cgroups()];
    private readonly int _launchers = Launchers();

    /// <summary>Fails where a descriptor, a mount, a control group or a child process is left that was not there before.</summary>
    public void AssertNone()
    {
        // Finalisers and other tests' pools may close a little later.
        string? problem = null;
        for (int attempt = 0; attempt < 100; attempt++)
        {
            problem = Find();
            if (problem is null)
                return;
            Thread.Sleep(20);
            // What a plan keeps as long as it lives: device programs.
            if (attempt % 10 == 5)
            {
                GC.Collect();
                GC.WaitForPendingFinalizers();
            }
        }

        Assert.Fail(problem!);
    }

    /// <summary>The processes whose parent is this process.</summary>
    public static IReadOnlyList<int> Children() =>
    [
        .. Directory.EnumerateDirectories("/proc/self/task")
            .SelectMany(t => Read(t + "/children").Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(c => int.Parse(c, CultureInfo.InvariantCulture)),
    ];

    /// <summary>The control groups that this run of the tests has made, in every hierarchy: see <see cref="RunGroup"/>.</summary>
    public static IReadOnlyList<string> Cgroups() =>
    [
        .. RunGroup.Directories.SelectMany(d => Directory.EnumerateDirectories(d, "*",
            new EnumerationOptions { RecurseSubdirectories = true, MaxRecursionDepth = 6, IgnoreInaccessible = true }))
            .Where(d => !d.EndsWith("/isolation-own", StringComparison.Ordinal)),
    ];

    /// <summary>Removes control groups that came meanwhile and that nobody else will remove: of containers that outlived their parent.
    /// Whether all are gone; one is busy for a moment after its last process ended.</summary>
    public static bool RemoveCgroups(ISet<string> before)
    {
        foreach (string cgroup in Cgroups().Where(c => !before.Contains(c)))
            Linux.Syscalls.FileSyscalls.RmdirAt(null, cgroup);
        return Cgroups().All(before.Contains);
    }

    private string? Find()
    {
        Dictionary<string, string> now = Descriptors();
        // A launcher thread that was added meanwhile keeps a pidfd of itself and its last sealed image.
        if (now.Count > _descriptors.Count + (2 * (Launchers() - _launchers)))
        {
            IEnumerable<string> leaked = now.Where(d => _descriptors.GetValueOrDefault(d.Key) != d.Value).Select(d => $"{d.Key} {d.Value}");
            return $"{now.Count - _descriptors.Count} descriptors leaked: {string.Join(", ", leaked)}";
        }

        if (Mounts() != _mounts)
            return "the mounts of the host changed";
        string[] cgroups = [.. Cgroups().Where(c => !_cgroups.Contains(c))];
        if (cgroups.Length > 0)
            return $"control groups are left: {string.Join(", ", cgroups)}";
        int[] children = [.. Children().Where(c => !_children.Contains(c))];
        return children.Length > 0 ? $"{children.Length} child processes are left: {string.Join(", ", children)}" : null;
    }

    private static Dictionary<string, string> Descriptors()
    {
        var found = new Dictionary<string, string>();
        foreach (FileSystemInfo entry in new DirectoryInfo("/proc/self/fd").EnumerateFileSystemInfos())
        {
            try
            {
                if (entry.LinkTarget is { } target)
                    found[entry.Name] = target;
            }
            catch (IOException)
            {
                // closed meanwhile
            }
        }

        return found;
    }

    private static int Launchers() => Directory.EnumerateDirectories("/proc/self/task")
        .Count(t => Read(t + "/comm").StartsWith("isolation launc", StringComparison.Ordinal));

    private static string Mounts() => string.Join('\n', Read("/proc/self/mountinfo").Split('\n').Order(StringComparer.Ordinal));

    private static string Read(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (IOException)
        {
            return "";
        }
    }
}
