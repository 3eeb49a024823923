using System.Diagnostics;
using Isolation.Containers;

namespace Isolation.Benchmarks.Launch;

/// <summary>What a launch allocates on the managed heap, start to dispose, and how long it takes.</summary>
internal static class Allocation
{
    private const int Count = 500, Rounds = 5;

    internal static async Task MeasureAsync(Scene scene)
    {
        Console.WriteLine($"\n{"per launch, start to dispose",-40} {"bytes",9} {"us",9}");
        await RowAsync("by a plan", () => scene.WithInit);
        await RowAsync("by a builder, planned each time", () => scene.Builder.Plan());
    }

    /// <summary>The round with the fewest bytes counts: what other threads allocate meanwhile belongs to no launch.</summary>
    private static async Task RowAsync(string name, Func<LaunchPlan> plan)
    {
        for (int i = 0; i < 100; i++)
            await LaunchAsync(plan());
        (double Bytes, double Time) best = (double.MaxValue, double.MaxValue);
        for (int round = 0; round < Rounds; round++)
        {
            long before = GC.GetTotalAllocatedBytes(precise: true), begin = Stopwatch.GetTimestamp();
            for (int i = 0; i < Count; i++)
                await LaunchAsync(plan());
            double bytes = (GC.GetTotalAllocatedBytes(precise: true) - before) / (double)Count;
            best = (Math.Min(best.Bytes, bytes), Math.Min(best.Time, Stopwatch.GetElapsedTime(begin).TotalMicroseconds / Count));
        }

        Console.WriteLine($"{name,-40} {best.Bytes,9:F1} {best.Time,9:F0}");
    }

    private static async Task LaunchAsync(LaunchPlan plan)
    {
        await using Container process = await plan.StartAsync().ConfigureAwait(false);
        await process.WaitAsync().ConfigureAwait(false);
    }
}
