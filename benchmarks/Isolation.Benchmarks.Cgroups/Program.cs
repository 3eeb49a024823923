using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks;
using Isolation.Cgroups;
using Isolation.Linux;

// Control groups side by side, interleaved, in one run: this library, a C program that makes the same calls,
// and cgroup-tools where they are installed.
const string Text = """
    usage: Isolation.Benchmarks.Cgroups [ROUNDS]
    ROUNDS: of each comparison, 300.
    Needs root, gcc, and the controllers memory and pids of version 1 or 2; measures cgcreate, cgset and cgdelete where they are installed.
    """;
if (Usage.Ends(args, Text, _ => false, numbers: 1, needsRoot: true, "gcc"))
    return;
int rounds = Usage.Number(args, 0, otherwise: 300);
string work = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
string name = $"isolation-benchmark-{Environment.ProcessId}";
CgroupHierarchies hierarchies = CgroupHierarchies.Read();
bool v2 = hierarchies.Mode == CgroupMode.Unified;
string path = (v2 ? "/" : "") + name;
using Cgroup group = Cgroup.Create(path);
try
{
    string floor = Path.Combine(work, "floor");
    Run("gcc", "-O2", "-w", "-o", floor, Path.Combine(AppContext.BaseDirectory, "floor.c"));
    group.WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(100);
    using Process load = Process.Start(new ProcessStartInfo("sleep", "1000"))!;
    group.AddProcess(load.Id);

    using CgroupStats stats = group.OpenStats(CgroupStatKinds.Basic);
    string[] files = [.. stats.Files()];
    using (var c = new Peer(floor, ["stats", .. files]))
        Table($"statistics of cpu, memory, pids and io ({files.Length} files kept open)", rounds * 10, ("C", c.Measure),
            ("Isolation", () => Time(stats.Refresh)));
    long before = GC.GetAllocatedBytesForCurrentThread();
    for (int i = 0; i < 1000; i++)
        stats.Refresh();
    Console.WriteLine($"allocated per snapshot: {(GC.GetAllocatedBytesForCurrentThread() - before) / 1000} bytes");

    string[] cycle = [.. group.Directories.Select(d => d.MountPoint + d.Path + "-x:")];
    string Directory(string controller) => (group is CgroupV1 v1 ? v1.TryDirectory(controller)! : group.Main) is var d
        ? d.MountPoint + d.Path + "-x"
        : "";
    cycle = [.. cycle, $"{Directory("memory")}:{(v2 ? "memory.max" : "memory.limit_in_bytes")}=67108864",
        $"{Directory("pids")}:pids.max=100"];
    var contestants = new List<(string, Func<double>)>
    {
        ("Isolation", () => Time(() =>
        {
            using Cgroup one = Cgroup.Create(path + "-x");
            one.WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(100);
            one.Delete();
        })),
    };
    using var cycler = new Peer(floor, ["cycle", .. cycle]);
    contestants.Insert(0, ("C", cycler.Measure));
    if (File.Exists("/usr/bin/cgcreate") && !v2)
    {
        contestants.Add(("cgcreate, cgset, cgdelete", () => Time(() =>
        {
            Run("cgcreate", "-g", $"memory,pids:/{name}-cg");
            Run("cgset", "-r", "memory.limit_in_bytes=67108864", "-r", "pids.max=100", $"/{name}-cg");
            Run("cgdelete", "-g", $"memory,pids:/{name}-cg");
        })));
    }

    Table($"create in {group.Directories.Count()} hierarchies, limit, delete", rounds, [.. contestants]);

    using Cgroup other = Cgroup.Create(path + "-other");
    IEnumerable<string> ProcsOf(Cgroup one) => one.Directories.Select(d => d.MountPoint + d.Path + "/cgroup.procs");
    using var mover = new Peer(floor, ["move", load.Id.ToString(CultureInfo.InvariantCulture), .. ProcsOf(other), .. ProcsOf(group)]);
    Table("move a process there and back, two writes in each hierarchy", rounds, ("C", mover.Measure), ("Isolation", () => Time(() =>
    {
        other.AddProcess(load.Id);
        group.AddProcess(load.Id);
    })));
    load.Kill();
    load.WaitForExit();
    other.Delete();

    const int Many = 1000;
    Cgroup[] groups = [.. Enumerable.Range(0, Many).Select(i => (Cgroup)CgroupV2OrMain(i))];
    CgroupStats[] all = [.. groups.Select(g => g.OpenStats())];
    TimeSpan cpu = Process.GetCurrentProcess().TotalProcessorTime;
    foreach (CgroupStats one in all)
        one.Refresh();
    TimeSpan used = Process.GetCurrentProcess().TotalProcessorTime - cpu;
    Console.WriteLine($"\n{Many} control groups sampled once: {used.TotalMilliseconds:F1} ms of CPU; "
        + $"once a second that is {used.TotalSeconds * 100:F1} % of a core");
    for (int i = 0; i < Many; i++)
    {
        all[i].Dispose();
        groups[i].Delete();
        groups[i].Dispose();
    }

    Cgroup CgroupV2OrMain(int i) => Cgroup.Create($"{path}/many-{i}");
}
finally
{
    group.Delete();
    Directory.Delete(work, recursive: true);
}

static double Time(Action action)
{
    long begin = Stopwatch.GetTimestamp();
    action();
    return Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
}

static void Table(string title, int rounds, params (string Name, Func<double> Run)[] contestants)
{
    var times = contestants.ToDictionary(c => c.Name, _ => new List<double>());
    // Until the runtime has compiled what is hot for good, which it does in steps, beside the program.
    foreach ((_, Func<double> run) in contestants)
    {
        for (long begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < TimeSpan.FromSeconds(2);)
            run();
    }

    for (int i = -20; i < rounds; i++)
    {
        Random.Shared.Shuffle(contestants);
        foreach ((string name, Func<double> run) in contestants)
        {
            // The first of a turn brings the contestant's own code and data back to the caches.
            run();
            double time = run();
            if (i >= 0)
                times[name].Add(time);
        }
    }

    Console.WriteLine($"\n{title}\n{"us",-28} {"median",9} {"p95",9} {"ratio",7}");
    double first = 0;
    foreach ((string name, List<double> values) in times.OrderBy(t => t.Key == "C" ? 0 : 1))
    {
        values.Sort();
        double median = values[values.Count / 2];
        first = first == 0 ? median : first;
        Console.WriteLine($"{name,-28} {median,9:F1} {values[(int)(values.Count * 0.95)],9:F1} {median / first,7:F2}");
    }
}

static void Run(string program, params string[] arguments)
{
    using Process process = Process.Start(program, arguments);
    process.WaitForExit();
    if (process.ExitCode != 0)
        throw new InvalidOperationException($"{program} {string.Join(' ', arguments)} ended with {process.ExitCode}");
}

/// <summary>The C program, which measures itself.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Process _process;

    internal Peer(string path, string[] arguments) =>
        _process = Process.Start(new ProcessStartInfo(path, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true })!;

    internal double Measure()
    {
        _process.StandardInput.WriteLine();
        _process.StandardInput.Flush();
        return long.Parse(_process.StandardOutput.ReadLine() ?? throw new InvalidOperationException("the C program has ended"),
            CultureInfo.InvariantCulture) / 1000.0;
    }

    public void Dispose()
    {
        _process.StandardInput.Close();
        _process.WaitForExit();
        _process.Dispose();
    }
}
