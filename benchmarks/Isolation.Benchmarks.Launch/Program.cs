using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks.Launch;
using Isolation.Containers;
using Isolation.Linux;

// Launches side by side, in one run, in random order: this library, a C program that makes the same system calls, and other tools.
// usage: Isolation.Benchmarks.Launch [ROUNDS]. Needs root, gcc; measures those of bwrap, crun and runc that are installed.
int rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 200;
MainThread.Serve(async () =>
{
    string directory = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
    try
    {
        foreach (bool full in new[] { true, false })
        {
            string place = Directory.CreateDirectory(Path.Combine(directory, full ? "full" : "default")).FullName;
            var scene = new Scene(place, full);
            using var driver = new Driver(Driver.Build(place, [("floor", scene.Floor), ("floor_exec", scene.FloorExec), ("bare", scene.Bare)]), onlyUnifiedCgroups: false);
            using var oci = new Driver(Path.Combine(place, "driver"), onlyUnifiedCgroups: true);
            await Report.MainTableAsync(scene, driver, oci, rounds);
            if (!full)
                continue;
            await Report.HeapTableAsync(scene, driver, rounds);
            await Report.AllocationAsync(scene);
            await Report.ThroughputAsync(scene);
        }
    }
    finally
    {
        Directory.Delete(directory, recursive: true);
    }
});
