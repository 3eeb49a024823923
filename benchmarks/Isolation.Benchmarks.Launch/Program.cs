using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks.Launch;
using Isolation.Containers;
using Isolation.Linux;

// Launches side by side, in one run, in random order: this library, a C program that makes the same system calls, and other tools.
// usage: Isolation.Benchmarks.Launch [ROUNDS] [--ours]. Needs root, gcc; measures those of bwrap, crun and runc that are installed.
// --ours: only Start and Wait of this library against the C program, and no other tables.
if (args is [Report.WorkerFlag, { } heap])
{
    Report.Work(int.Parse(heap, CultureInfo.InvariantCulture));
    return;
}

bool onlyOurs = args.Contains("--ours");
int rounds = args.FirstOrDefault(a => !a.StartsWith("--", StringComparison.Ordinal)) is { } count ? int.Parse(count, CultureInfo.InvariantCulture) : 200;
string directory = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
try
{
    foreach (bool full in new[] { true, false })
    {
        string place = Directory.CreateDirectory(Path.Combine(directory, full ? "full" : "default")).FullName;
        var scene = new Scene(place, full);
        using var driver = new Driver([Driver.Build(place, [("floor", scene.Floor), ("floor_exec", scene.FloorExec), ("floor_host_net", scene.HostNet.Lowered.Launch), ("bare", scene.Bare)])]);
        using var oci = new Driver(Driver.WithUnifiedCgroups(Path.Combine(place, "driver")));
        Report.MainTable(scene, driver, oci, rounds, onlyOurs);
        if (!full || onlyOurs)
            continue;
        Report.HeapTable(driver, rounds);
        await Report.AllocationAsync(scene);
        await Report.ThroughputAsync(scene);
    }
}
finally
{
    Directory.Delete(directory, recursive: true);
}
