using Isolation.Containers;
using Isolation.Net.TrafficControl;

namespace Isolation.Testing.Victim;

/// <summary>Starts containers with networks: one that outlives this process, or many, until it is killed.</summary>
internal static class NetworkVictim
{
    internal static async Task RunAsync(string kind, string command)
    {
        if (kind == "--network-orphan")
        {
            Container orphan = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sh", "-c", command).OutliveParent()
                .WithNetwork("kept").AddPublishedPort("8080:80").Start();
            Console.WriteLine(orphan.ProcessId);
            await Task.Delay(Timeout.Infinite);
        }

        using Stream output = Console.OpenStandardOutput();
        await Task.WhenAll(Enumerable.Range(0, 3).Select(async i =>
        {
            for (int round = 0; ; round++)
            {
                int port = 10_000 + (i * 10_000) + (round % 10_000);
                ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", command).WithNetwork($"net{i % 2}")
                    .AddPublishedPort($"{port}:80");
                if (round % 2 == 1)
                    builder = builder.WithEgress(EgressPolicy.DenyAll.Allow("10.0.0.0/8:80"))
                        .WithRateLimit(new RateLimit { Egress = BitRate.FromMegabits(10) });
                await using Container process = await builder.StartAsync();
                output.WriteByte((byte)'.');
            }
        }));
    }
}
