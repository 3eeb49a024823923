using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Testing.Victim;

/// <summary>Another program of the host: starts and stops containers all the time, until its standard input ends.
/// Tells how many, and what went wrong with them.</summary>
internal static class Neighbour
{
    internal static async Task<int> RunAsync(int atOnce)
    {
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sh", "-c", "sleep 0.$(($$ % 9 + 1)); echo done")
            .WithStandardOutput(Stdio.Pipe);
        if (HostFacts.Current.Cgroups.Obstacle is null)
            builder = builder.WithMemoryMax(ByteSize.FromMebibytes(64)).WithPidsMax(20);
        LaunchPlan[] plans =
        [
            builder.WithLaunchForm(LaunchForm.InMemory).Plan(),
            builder.WithLaunchForm(LaunchForm.Sealed).Plan(),
            builder.WithInit().Plan(),
            builder.WithNamespacesSharedWithHost(Namespaces.NamespaceKinds.Pid).Plan(),
        ];
        using var stop = new CancellationTokenSource();
        int started = 0;
        string? first = null;
        Task all = Task.WhenAll(Enumerable.Range(0, atOnce).Select(async i =>
        {
            while (!stop.IsCancellationRequested)
            {
                if (await TryOneAsync(plans[i % plans.Length]) is { } problem)
                    Interlocked.CompareExchange(ref first, problem, null);
                if (Interlocked.Increment(ref started) == atOnce)
                    Console.WriteLine("at work");
            }
        }));
        await Console.In.ReadToEndAsync();
        await stop.CancelAsync();
        await all;
        Console.WriteLine($"started {started}, first problem: {first ?? "none"}");
        return first is null ? 0 : 1;
    }

    private static async Task<string?> TryOneAsync(LaunchPlan plan)
    {
        try
        {
            await using Container process = await plan.StartAsync();
            string? output = await new StreamReader(process.StandardOutput!).ReadLineAsync();
            ContainerResult result = await process.WaitAsync();
            return result.Status.Code == 0 && output == "done" ? null : $"{result}, \"{output}\"";
        }
        catch (Exception e)
        {
            return e.Message;
        }
    }
}
