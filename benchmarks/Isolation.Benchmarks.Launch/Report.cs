using System.Diagnostics;
using System.Globalization;
using Isolation.Containers;

namespace Isolation.Benchmarks.Launch;

/// <summary>The tables.</summary>
internal static class Report
{
    private const string Floor = "C floor: the same calls", FloorWithInit = "C floor with an init";

    internal static void MainTable(Scene scene, Driver driver, Driver oci, int rounds, bool onlyOurs)
    {
        int id = 0;
        var contestants = new List<(string Name, Func<double> Run)>
        {
            (Floor, () => driver.Run("floor")),
            (FloorWithInit, () => driver.Run("floor_init")),
            ("C floor, host's network", () => driver.Run("floor_host_net")),
            ("Isolation, no init", () => OursAsync(scene.InMemory).GetAwaiter().GetResult()),
            ("Isolation, init", () => OursAsync(scene.WithInit).GetAwaiter().GetResult()),
            ("  Start and Wait: no init", () => Ours(scene.InMemory)),
            ("  init", () => Ours(scene.WithInit)),
            ("  no init, user namespace", () => Ours(scene.UserNamespace)),
            ("  no init, host's network", () => Ours(scene.HostNet)),
            ("  no init, net from a pool", () => { WaitForPool(scene); return Ours(scene.Pooled); }),
            ("  init, net from a pool", () => { WaitForPool(scene); return Ours(scene.PooledWithInit); }),
            ("bare exec: C, vfork", () => driver.Run("bare")),
            ("bare exec: Process.Start", () => ProcessStart(Path.Combine(scene.Root, "true"))),
            ("unshare, no /dev, no caps", () => Spawn(driver, "unshare", "-mupniCf", "--mount-proc", "--root", scene.Root, "/true")),
        };
        if (Has("bwrap"))
            contestants.Add(("bwrap", () => Spawn(driver, [.. scene.Bubblewrap])));
        if (Has("crun"))
            contestants.Add(("crun run",
                () => Spawn(oci, "crun", "run", "--bundle", scene.Bundle, $"isobench{Environment.ProcessId}-{id++}")));
        if (Has("runc"))
            contestants.Add(("runc run",
                () => Spawn(oci, "runc", "run", "--bundle", scene.Bundle, $"isobench{Environment.ProcessId}-{id++}")));

        if (onlyOurs)
            contestants.RemoveAll(c => !c.Name.StartsWith("C floor", StringComparison.Ordinal) && !c.Name.StartsWith(' '));
        Dictionary<string, List<double>> times = Measure(contestants, rounds);
        double floor = Median(times[Floor]), floorWithInit = Median(times[FloorWithInit]);
        Console.WriteLine($"\nconfiguration \"{scene.Name}\"");
        Console.WriteLine($"{"launch until reaped, us",-30} {"p10",9} {"median",9} {"p95",9} {"to floor",9} {"to floor with init",19}");
        foreach ((string name, _) in contestants)
        {
            double low = Percentile(times[name], 0.1), median = Median(times[name]), high = Percentile(times[name], 0.95);
            Console.WriteLine($"{name,-30} {low,9:F0} {median,9:F0} {high,9:F0} {median / floor,9:F2} {median / floorWithInit,19:F2}");
        }
    }

    /// <summary>The same launches from processes with different heaps, interleaved with each other.</summary>
    internal static void HeapTable(Driver driver, int rounds)
    {
        int[] sizes = [0, 1, 4];
        Driver[] workers = [.. sizes.Select(s => new Driver([.. ThisProgram(), WorkerFlag, s.ToString(CultureInfo.InvariantCulture)]))];
        var contestants = new List<(string Name, Func<double> Run)> { (FloorWithInit, () => driver.Run("floor_init")) };
        foreach ((int size, Driver worker) in sizes.Zip(workers))
            contestants.Add((Name(size), () => worker.Run("launch")));
        Dictionary<string, List<double>> times = Measure(contestants, rounds);
        Console.WriteLine($"\n{"heap touched",-14} {"median",9} {"to floor",9} {"to 0 GiB",9}");
        foreach (int size in sizes)
        {
            double median = Median(times[Name(size)]), floor = Median(times[FloorWithInit]), small = Median(times[Name(0)]);
            Console.WriteLine($"{Name(size),-14} {median,9:F0} {median / floor,9:F2} {median / small,9:F2}");
        }

        foreach (Driver worker in workers)
            worker.Dispose();

        static string Name(int gigabytes) => gigabytes + " GiB";

        // Run by its own name, or by dotnet.
        static string[] ThisProgram() => Path.GetFileNameWithoutExtension(Environment.ProcessPath!) == "dotnet"
            ? [Environment.ProcessPath!, Environment.GetCommandLineArgs()[0]] : [Environment.ProcessPath!];
    }

    internal const string WorkerFlag = "--worker";

    /// <summary>Touches a heap, then answers each line with the nanoseconds of one launch.</summary>
    internal static void Work(int gigabytes)
    {
        string directory = Directory.CreateTempSubdirectory("isolation-benchmark-").FullName;
        try
        {
            var held = new List<byte[]>();
            while (held.Count < gigabytes * 4)
            {
                byte[] block = GC.AllocateUninitializedArray<byte>(256 << 20);
                for (int i = 0; i < block.Length; i += 4096)
                    block[i] = 1;
                held.Add(block);
            }

            LaunchPlan plan = new Scene(directory, full: true).WithInit;
            while (Console.ReadLine() is not null)
                Console.WriteLine((long)(Ours(plan) * 1000));
            GC.KeepAlive(held);
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
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
                    await OursAsync(scene.WithInit);
            })));
            Console.WriteLine($"{atOnce,-10} {Count / Stopwatch.GetElapsedTime(begin).TotalSeconds,18:F0}");
        }
    }

    private static Dictionary<string, List<double>> Measure(List<(string Name, Func<double> Run)> contestants, int rounds)
    {
        var times = contestants.ToDictionary(c => c.Name, _ => new List<double>());
        for (int round = -5; round < rounds; round++)
        {
            (string Name, Func<double> Run)[] order = [.. contestants];
            Random.Shared.Shuffle(order);
            foreach ((string name, Func<double> run) in order)
            {
                // The first launch of a turn brings the contestant's own code and data back to the caches that the one before it took.
                run();
                double time = run();
                if (round >= 0)
                    times[name].Add(time);
            }
        }

        return times;
    }

    private static async Task<double> OursAsync(LaunchPlan plan)
    {
        long begin = Stopwatch.GetTimestamp();
        Container process = await plan.StartAsync().ConfigureAwait(false);
        ContainerResult result = await process.WaitAsync().ConfigureAwait(false);
        double time = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        await process.DisposeAsync().ConfigureAwait(false);
        return result.Status.Code == 0 ? time : throw new InvalidOperationException(result.ToString());
    }

    /// <summary>A launch on the calling thread: the main one, which makes launches itself.</summary>
    private static double Ours(LaunchPlan plan)
    {
        long begin = Stopwatch.GetTimestamp();
        Container process = plan.Start();
        ContainerResult result = process.Wait();
        double time = Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
        process.DisposeAsync().AsTask().GetAwaiter().GetResult();
        return result.Status.Code == 0 ? time : throw new InvalidOperationException(result.ToString());
    }

    private static void WaitForPool(Scene scene)
    {
        // It is refilled when half of it is gone. A refill is waited for: what is measured is a start from a pool that is ready.
        if (scene.Pool.Count > Scene.PoolSize / 2)
            return;
        while (scene.Pool.Count < Scene.PoolSize - 1)
            Thread.Sleep(1);
    }

    private static double ProcessStart(string path)
    {
        long begin = Stopwatch.GetTimestamp();
        using Process process = Process.Start(path);
        process.WaitForExit();
        return Stopwatch.GetElapsedTime(begin).TotalMicroseconds;
    }

    private static double Spawn(Driver driver, params string[] command) => driver.Run("spawn " + string.Join('\x01', command));

    private static bool Has(string tool) => Environment.GetEnvironmentVariable("PATH")!.Split(':').Append("/usr/sbin")
        .Any(d => File.Exists(Path.Combine(d, tool)));

    private static double Median(List<double> values) => Percentile(values, 0.5);

    private static double Percentile(List<double> values, double fraction)
    {
        double[] sorted = [.. values.Order()];
        return sorted[Math.Min(sorted.Length - 1, (int)(fraction * sorted.Length))];
    }
}
