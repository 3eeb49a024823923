using System.Diagnostics;
using System.Globalization;
using Isolation.Benchmarks.Launch;
using Isolation.Containers;
using Isolation.Linux;

// Launches side by side, in one run, in random order: this library, a C program that makes the same system calls, and other tools.
// usage: Isolation.Benchmarks.Launch [ROUNDS]. Needs root, gcc; measures those of bwrap, crun and runc that are installed.
int rounds = args.Length > 0 ? int.Parse(args[0], CultureInfo.InvariantCulture) : 200;
string directory = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
try
{
    var scene = new Scene(directory);
    using var driver = new Driver(Driver.Build(directory, [("floor", scene.Floor), ("floor_exec", scene.FloorExec), ("bare", scene.Bare)]), onlyUnifiedCgroups: false);
    using var oci = new Driver(Path.Combine(directory, "driver"), onlyUnifiedCgroups: true);
    await Report.MainTableAsync(scene, driver, oci, rounds);
    await Report.HeapTableAsync(scene, driver, rounds);
    await Report.AllocationAsync(scene);
    await Report.ThroughputAsync(scene);
}
finally
{
    Directory.Delete(directory, recursive: true);
}
