using System.Diagnostics;
using System.Diagnostics.Metrics;
using Isolation.Containers;
using Microsoft.Extensions.Logging;

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
        LaunchPlan warned = scene.Builder.WithLogger(new Logger(LogLevel.Warning)).Plan();
        await RowAsync("by a plan, a logger of warnings", () => warned);
        LaunchPlan told = scene.Builder.WithLogger(new Logger(LogLevel.Information)).Plan();
        await RowAsync("by a plan, a logger of everything", () => told);
        using (MeterListener _ = Meter())
            await RowAsync("by a plan, measured", () => scene.WithInit);
        using (ActivityListener _ = Spans())
            await RowAsync("by a plan, a span each", () => scene.WithInit);
    }

    private static MeterListener Meter()
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, l) =>
            {
                if (instrument.Meter.Name == ContainerDiagnostics.MeterName)
                    l.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((_, _, _, _) => { });
        listener.SetMeasurementEventCallback<long>((_, _, _, _) => { });
        listener.Start();
        return listener;
    }

    private static ActivityListener Spans()
    {
        var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == ContainerDiagnostics.ActivitySourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
        };
        ActivitySource.AddActivityListener(listener);
        return listener;
    }

    /// <summary>Formats nothing and keeps nothing.</summary>
    private sealed class Logger(LogLevel least) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= least;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception,
            Func<TState, Exception?, string> formatter)
        {
        }
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
