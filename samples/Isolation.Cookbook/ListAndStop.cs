using Isolation.Cgroups;
using Isolation.Containers;

namespace Isolation.Cookbook;

/// <summary>Starts containers with names, lists them, pauses and stops one, and kills the other.</summary>
internal static class ListAndStop
{
    internal static async Task Main(string[] arguments)
    {
        string web = $"web-{Environment.ProcessId}", job = $"job-{Environment.ProcessId}";
        await using Container first = await new ContainerBuilder(Rootfs.Host)
            .WithName(web)
            .WithStandardOutput(Stdio.Pipe)
            .WithCommand("sh", "-c", "trap 'exit 0' TERM; echo ready; while :; do sleep 0.1; done")
            .StartAsync();
        await using Container second = await new ContainerBuilder(Rootfs.Host)
            .WithName(job)
            .WithCommand("sleep", "1000")
            .StartAsync();
        await first.WaitForLineAsync(new("ready"));

        // Another program of the host finds both by these names.
        foreach (string name in RunningContainers.ReadNames().Where(n => n == web || n == job).Order())
            Console.WriteLine($"running: {name.Split('-')[0]}");

        using (Cgroup cgroup = RunningContainers.Open(web))
        {
            cgroup.Freeze();
            Console.WriteLine($"frozen: {cgroup.ReadProcesses(recursive: true).Length > 0}");
            cgroup.Thaw();
        }

        // SIGTERM, and SIGKILL to everything in it after ten seconds.
        ContainerResult stopped = await first.StopAsync(TimeSpan.FromSeconds(10));
        Console.WriteLine($"web {stopped}");
        ContainerResult killed = await second.KillAllAsync();
        Console.WriteLine($"job {killed}");
        Console.WriteLine($"left: {RunningContainers.ReadNames().Count(n => n == web || n == job)}");
    }
}
