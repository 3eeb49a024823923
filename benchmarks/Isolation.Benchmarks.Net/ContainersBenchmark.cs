using System.Diagnostics;
using System.Globalization;
using Isolation.Containers;

namespace Isolation.Benchmarks.Net;

/// <summary>What a start costs among many containers of one bridge network, each with a name and a port: the last against the
/// first.</summary>
/// <remarks>In a network namespace of its own, with files of its own: the benchmark starts itself again there.</remarks>
internal static class ContainersBenchmark
{
    /// <summary>The word by which it starts itself again.</summary>
    internal const string Here = "containers-here";

    private const int Window = 20;

    internal static async Task<int> StartAsync(int count)
    {
        string files = Directory.CreateTempSubdirectory("isolation-net-").FullName;
        try
        {
            string[] self = Path.GetFileNameWithoutExtension(Environment.ProcessPath) == "dotnet"
                ? [Environment.ProcessPath!, typeof(ContainersBenchmark).Assembly.Location] : [Environment.ProcessPath!];
            var start = new ProcessStartInfo("unshare", ["--net", "sh", "-c", "ip link set lo up && exec \"$@\"", "sh", .. self,
                Here, count.ToString(CultureInfo.InvariantCulture)]);
            start.Environment["ISOLATION_NETWORKS"] = files;
            using Process process = Process.Start(start)!;
            await process.WaitForExitAsync();
            return process.ExitCode;
        }
        finally
        {
            Directory.Delete(files, recursive: true);
        }
    }

    internal static async Task RunAsync(int count)
    {
        // Chosen by itself it would have room for 253.
        var network = new BridgeNetwork("bench") { Subnet = System.Net.IPNetwork.Parse("10.89.0.0/16") };
        var containers = new List<Container>();
        var starts = new List<double>();
        var work = new List<double>();
        var ends = new List<double>();
        try
        {
            // The code is compiled, and the network made, before it is measured.
            for (int i = 0; i < Window + count; i++)
            {
                ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithName($"c{i}").WithCommand("/bin/sleep", "600")
                    .WithNetwork(network).AddPublishedPort($"{10_000 + i}:80");
                TimeSpan worked = Environment.CpuUsage.TotalTime;
                long begin = Stopwatch.GetTimestamp();
                containers.Add(await builder.StartAsync());
                if (i < Window)
                    continue;
                starts.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
                work.Add((Environment.CpuUsage.TotalTime - worked).TotalMilliseconds);
            }

            Console.WriteLine($"a start on a network, the median and the lowest of {Window} in a row, ms; "
                + "and the processor time of this process");
            for (int at = Window; at <= count; at += at < 5 * Window ? Window : 5 * Window)
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"  {at,4} containers: {Median(starts, at):F1} {Lowest(starts, at):F1}; {Median(work, at):F1}"));
            double median = Median(starts, count) / Median(starts, Window), lowest = Lowest(starts, count) / Lowest(starts, Window);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                $"  the last against the first: {median:F2} {lowest:F2}; {Median(work, count) / Median(work, Window):F2}"));
        }
        finally
        {
            foreach (Container container in containers)
            {
                long begin = Stopwatch.GetTimestamp();
                await container.DisposeAsync();
                ends.Add(Stopwatch.GetElapsedTime(begin).TotalMilliseconds);
            }
        }

        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"an end among {count}: {Median(ends, Window):F1}, among {Window}: {Median(ends, ends.Count):F1}"));
    }

    private static double Median(List<double> times, int end) => times.Skip(end - Window).Take(Window).Order().ElementAt(Window / 2);

    // What else the machine has to do makes a start longer, and never shorter.
    private static double Lowest(List<double> times, int end) => times.Skip(end - Window).Take(Window).Min();
}
