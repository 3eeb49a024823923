using System.Diagnostics;
using Isolation.Containers;

namespace Isolation.Benchmarks.Launch;

/// <summary>The tables.</summary>
internal static class Report
{
    internal static async Task MainTableAsync(Scene scene, Driver driver, Driver oci, int rounds)
    {
        int id = 0;
        var contestants = new List<(string Name, Func<Task<double>> Run)>
        {
            ("C floor: the same calls", () => Task.FromResult(driver.Run("floor"))),
            ("C floor and one exec", () => Task.FromResult(driver.Run("floor_exec"))),
            ("Isolation, in memory", () => OursAsync(scene.InMemory)),
            ("Isolation, sealed", () => OursAsync(scene.Sealed)),
            ("Isolation, net from a pool", async () => { await WaitForPoolAsync(scene); return await OursAsync(scene.Pooled); }),
            ("  same, Start and Wait", () => Task.FromResult(OnMainThread(scene.InMemory))),
            ("  sealed", () => Task.FromResult(OnMainThread(scene.Sealed))),
            ("  user namespace", () => Task.FromResult(OnMainThread(scene.UserNamespace))),
            ("  net from a pool", async () => { await WaitForPoolAsync(scene); return OnMainThread(scene.Pooled); }),
            ("bare exec: C, vfork", () => Task.FromResult(driver.Run("bare"))),
            ("bare exec: Process.Start", () => ProcessStartAsync(Path.Combine(scene.Root, "true"))),
            ("unshare, no /dev, no caps", () => Task.FromResult(Spawn(driver, "unshare", "-mupniCf", "--mount-proc", "--root", scene.Root, "/true"))),
        };
        if (Has("bwrap"))
            contestants.Add(("bwrap", () => Task.FromResult(Spawn(driver, [.. scene.Bubblewrap]))));
        if (Has("crun"))
            contestants.Add(("crun run", () => Task.FromResult(Spawn(oci, "crun", "run", "--bundle", scene.Bundle, $"isobench{Environment.ProcessId}-{id++}"))));
        if (Has("runc"))
            contestants.Add(("runc run", () => Task.FromResult(Spawn(oci, "runc", "run", "--bundle", scene.Bundle, $"isobench{Environment.ProcessId}-{id++}"))));

        Dictionary<string, List<double>> times = await MeasureAsync(contestants, rounds);
        double floor = Median(times["C floor: the same calls"]), floorExec = Median(times["C floor and one exec"]);
        Console.WriteLine($"\nconfiguration \"{scene.Name}\"\n{"launch until reaped, us",-30} {"median",9} {"p95",9} {"to floor",9} {"to floor+exec",14}");
        foreach ((string name, _) in contestants)
            Console.WriteLine($"{name,-30} {Median(times[name]),9:F0} {Percentile(times[name], 0.95),9:F0} {Median(times[name]) / floor,9:F2} {Median(times[name]) / floorExec,14:F2}");
    }

    internal static async Task HeapTableAsync(Scene scene, Driver driver, int rounds)
    {
        Console.WriteLine($"\n{"heap touched",-14} {"ours",9} {"floor",9} {"ratio",7}");
        var held = new List<byte[]>();
        foreach (int gigabytes in new[] { 0, 1, 4 })
        {
            while (held.Count < gigabytes * 4)
            {
                byte[] block = GC.AllocateUninitializedArray<byte>(256 << 20);
                for (int i = 0; i < block.Length; i += 4096)
                    block[i] = 1;
                held.Add(block);
            }

            var times = await MeasureAsync([("ours", () => OursAsync(scene.InMemory)), ("floor", () => Task.FromResult(driver.Run("floor")))], rounds);
            Console.WriteLine($"{gigabytes + " GiB",-14} {Median(times["ours"]),9:F0} {Median(times["floor"]),9:F0} {Median(times["ours"]) / Median(times["floor"]),7:F2}");
        }

        GC.KeepAlive(held);
        held.Clear();
        GC.Collect();
    }

    internal static async Task AllocationAsync(Scene scene)
    {
        const int Count = 500;
        for (int i = 0; i < 50; i++)
            await OursAsync(scene.InMemory);
        long before = GC.GetTotalAllocatedBytes(precise: true);
        for (int i = 0; i < Count; i++)
            await OursAsync(scene.InMemory);
        Console.WriteLine($"\nallocated per launch, start to dispose: {(GC.GetTotalAllocatedBytes(precise: true) - before) / Count} bytes");
    }

    internal static async Task ThroughputAsync(Scene scene)
    {
        const int Count = 1000;
        Console.WriteLine($"\n{"at once",-10} {"starts per second",18}");
        foreach (int atOnce in new[] { 1, 2, 4, 16 })
        {
            int next = 0;
            long begin = Stopwatch.GetTimestamp();
            await Task.WhenAll(Enumerable.Range(0, atOnce).Select(_ => Task.Run(async () =>
            {
                while (Interlocked.Increment(ref next) <= Count)
                    await OursAsync(scene.InMemory);
            })));
            Console.WriteLine($"{atOnce,-10} {Count / Stopwatch.GetElapsedTime(begin).TotalSeconds,18:F0}");
        }
    }

    private static async Task<Dictionary<string, List<double>>> MeasureAsync(List<(string Name, Func<Task<double>> Run)> contestants, int rounds)
    {
        var times = contestants.ToDictionary(c => c.Name, _ => new List<double>());
        for (int round = -5; round < rounds; round++)
        {
            (string Name, Func<Task<double>> Run)[] order = [.. contestants];
            Random.Shared.Shuffle(order);
            foreach ((string name, Func<Task<double>> run) in order)
            {
                // The first launch of a turn brings the contestant's own code and data back to the caches that the one before it took.
                await run();
                double time = await run();
                if (round >= 0)
                    times[name].Add(time);
            }
        }

        return times;
    }

    private static async Task<double> OursAsync(LaunchPlan plan)
    {
        long begin = Stopwatch.GetTimestamp();
        ContainerProcess process = await plan.StartAsync().ConfigureAwait(false);
        ContainerResult result = await process.WaitAsync().ConfigureAwait(false);
        double time = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        await process.DisposeAsync().ConfigureAwait(false);
        return result.Status.Code == 0 ? time : throw new InvalidOperationException(result.ToString());
    }

    /// <summary>A launch on the main thread, which has nothing else to do than what it is asked here.</summary>
    private static double OnMainThread(LaunchPlan plan) => MainThread.Run(() =>
    {
        long begin = Stopwatch.GetTimestamp();
        ContainerProcess process = plan.Start();
        ContainerResult result = process.Wait();
        double time = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        process.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return result.Status.Code == 0 ? time : throw new InvalidOperationException(result.ToString());
    });

    private static async Task WaitForPoolAsync(Scene scene)
    {
        // It is refilled when half of it is gone. A refill is waited for: what is measured is a start from a pool that is ready.
        if (scene.Pool.Count > Scene.PoolSize / 2)
            return;
        while (scene.Pool.Count < Scene.PoolSize - 1)
            await Task.Delay(1);
    }

    private static async Task<double> ProcessStartAsync(string path)
    {
        long begin = Stopwatch.GetTimestamp();
        using Process process = Process.Start(path);
        await process.WaitForExitAsync();
        return Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
    }

    private static double Spawn(Driver driver, params string[] command) => driver.Run("spawn " + string.Join('\x01', command));

    private static bool Has(string tool) => Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin").Any(d => File.Exists(Path.Combine(d, tool)));

    private static double Median(List<double> values) => Percentile(values, 0.5);

    private static double Percentile(List<double> values, double fraction)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Min(sorted.Length - 1, (int)(fraction * sorted.Length))];
    }
}
