using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Testing;

/// <summary>The control group of this run of the tests, in every hierarchy. Containers are made below their maker's own,
/// so it holds all that the run makes, and what is outside of it is none of its business.</summary>
/// <remarks>An ordinary user's is the one that was delegated to it; where none was, the run makes no control groups.</remarks>
public static class RunGroup
{
    // Below the hierarchy's root on version 2: the leaf that this process is in makes the one above it that of the containers.
    private const string Leaf = "isolation-own";

    // What a line of /proc/PID/cgroup has of a process of this run.
    private static string s_mark = "";
    private static (string Above, string Directory)[] s_places = [];
    private static Cgroup? s_group;

    /// <summary>The control group's directory in each hierarchy; none where this run makes no control groups.</summary>
    public static IReadOnlyList<string> Directories { get; private set; } = [];

    /// <summary>Its path on version 2, where it has one: a test's own control groups belong below.</summary>
    public static string UnifiedPath { get; private set; } = "/";

    /// <summary>Moves this process to a control group of its own, for as long as it lives.
    /// Before the first container, and before facts of the host are read.</summary>
    public static void Enter()
    {
        CgroupFacts facts = CgroupFacts.Probe();
        if (facts.Obstacle is not null)
            return;
        bool isUnified = facts.Mode == CgroupMode.Unified;
        if (!Host.IsRoot)
        {
            if (isUnified)
            {
                Directories = [facts.Hierarchies.V2!.MountPoint + facts.Parent.TrimEnd('/')];
                (UnifiedPath, s_mark) = (facts.Parent, "0::" + facts.Parent.TrimEnd('/'));
            }

            return;
        }

        string name = $"tests-{Guid.NewGuid():n}";
        s_mark = "/" + name;
        string[] before = Own();
        if (isUnified)
        {
            UnifiedPath = "/" + name;
            CgroupV2 group = CgroupV2.Create(UnifiedPath);
            // Those of the root, which has them enabled for nobody until it is asked.
            foreach (string controller in facts.Controllers)
                TryEnable(group, controller);
            using CgroupV2 leaf = CgroupV2.Create($"{UnifiedPath}/{Leaf}");
            leaf.AddProcess(Environment.ProcessId);
            (s_group, Directories) = (group, [facts.Hierarchies.V2!.MountPoint + UnifiedPath]);
            s_places = [(before[0], Directories[0] + "/" + Leaf)];
        }
        else
        {
            s_group = Cgroup.Create(name);
            s_group.AddProcess(Environment.ProcessId);
            Directories = Own();
            s_places = [.. before.Zip(Directories).Where(p => p.First != p.Second)];
            Directories = [.. s_places.Select(p => p.Directory)];
        }

        AppDomain.CurrentDomain.ProcessExit += (_, _) => Leave();
    }

    /// <summary>Whether a process is one of this run's: it is in the control group, or below.
    /// Where there is none, whether it is this user's.</summary>
    /// <param name="process">Its directory in /proc.</param>
    /// <exception cref="IOException">It has ended.</exception>
    public static bool Contains(string process) =>
        Directories.Count == 0
            ? RealUser(process) == RealUser("/proc/self")
            : File.ReadLines(process + "/cgroup").Any(l => (l + "/").Contains(s_mark + "/", StringComparison.Ordinal));

    /// <summary>A shell script that puts what it runs where this process was before, beside the run:
    /// <c>eval</c> of it moves the shell.</summary>
    public static string LeaveScript => string.Join("; ", s_places.Select(p => $"echo $$ > '{p.Above}/cgroup.procs'"));

    private static string RealUser(string process) =>
        File.ReadLines(process + "/status").First(l => l.StartsWith("Uid:", StringComparison.Ordinal)).Split('\t')[1];

    private static string[] Own()
    {
        CgroupHierarchies mounted = CgroupHierarchies.Read();
        IEnumerable<CgroupMount> mounts = mounted.V1.Values;
        return [.. (mounted.V2 is { } v2 ? mounts.Append(v2) : mounts).Select(m => m.MountPoint + m.Self.TrimEnd('/')).Distinct()];
    }

    private static void TryEnable(CgroupV2 group, string controller)
    {
        try
        {
            group.EnableControllers(controller);
        }
        catch (Exception e) when (e is LinuxException or KernelFeatureException)
        {
            // then the tests that need it say so
        }
    }

    // At the end of the run: what its tests have left fails it.
    private static void Leave()
    {
        for (int attempt = 0; attempt < 100 && Leaks.Cgroups().Count > 0; attempt++)
            Thread.Sleep(50);
        if (Leaks.Cgroups() is { Count: > 0 } left)
        {
            Console.Error.WriteLine($"This run has left control groups: {string.Join(", ", left)}");
            Environment.ExitCode = 1;
        }

        // What the process leaves to end after it, the reaper, would keep them.
        foreach ((string above, string directory) in s_places)
        {
            try
            {
                foreach (string process in File.ReadAllLines(directory + "/cgroup.procs"))
                    File.WriteAllText(above + "/cgroup.procs", process);
            }
            catch (IOException)
            {
                // ended meanwhile
            }
        }

        try
        {
            s_group!.Delete();
        }
        catch (LinuxException e) when (e.Errno == Errno.EBUSY)
        {
            // a test has left processes there
        }
    }
}
