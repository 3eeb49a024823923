using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks;
using Isolation.Benchmarks.Launch;
using Isolation.Containers;
using Isolation.Linux;

// Launches side by side, in one run, in random order: this library, a C program that makes the same system calls, and other tools.
const string Text = """
    usage: Isolation.Benchmarks.Launch [ROUNDS] [--ours] [--allocation]
    ROUNDS: of each comparison, 200. --ours: only Start and Wait of this library against the C program, and no other tables.
    --allocation: only what this library allocates for a launch.
    Needs root and gcc; measures those of bwrap, crun and runc that are installed.
    """;
if (args is [Report.WorkerFlag, { } heap])
{
    Report.Work(int.Parse(heap, CultureInfo.InvariantCulture));
    return;
}

if (Usage.Ends(args, Text, a => a is "--ours" or "--allocation", numbers: 1, needsRoot: true, "gcc"))
    return;
bool onlyOurs = args.Contains("--ours");
int rounds = Usage.Number(args, 0, otherwise: 200);
string directory = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
try
{
    foreach (bool full in new[] { true, false })
    {
        string place = Directory.CreateDirectory(Path.Combine(directory, full ? "full" : "default")).FullName;
        var scene = new Scene(place, full);
        if (args.Contains("--allocation"))
        {
            await Allocation.MeasureAsync(scene);
            return;
        }

        using var driver = new Driver([Driver.Build(place, [("floor", scene.Floor), ("floor_init", scene.FloorWithInit),
            ("floor_host_net", scene.HostNet.Lowered.Launch), ("bare", scene.Bare)])]);
        using var oci = new Driver(Driver.WithUnifiedCgroups(Path.Combine(place, "driver")));
        Report.MainTable(scene, driver, oci, rounds, onlyOurs);
        if (!full || onlyOurs)
            continue;
        Report.HeapTable(driver, rounds);
        await Allocation.MeasureAsync(scene);
        await Report.ThroughputAsync(scene);
    }
}
finally
{
    Directory.Delete(directory, recursive: true);
}
