using Isolation.Containers;
using Isolation.Linux;

// Starts containers without end, several at a time, until it is killed. Writes a character for each start.
if (args[0] == "--hello")
{
    Console.WriteLine($"hello from process {Environment.ProcessId}");
    return 0;
}

if (args[0] is "--sandbox-anew" or "--sandbox-here" or "--thread-filter")
    return Isolation.Testing.Victim.SandboxVictim.Run(args[0], args[1]);

if (args[0] is "--network-orphan" or "--network-loop")
{
    await Isolation.Testing.Victim.NetworkVictim.RunAsync(args[0], args[1]);
    return 0;
}

if (args[0] == "--orphan")
{
    ContainerProcess orphan = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", args[1]).WithDieWithParent(false).WithInit(args[2] == "init").Start();
    Console.WriteLine(orphan.ProcessId);
    Thread.Sleep(Timeout.Infinite);
}

string marker = args[0];
var builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sh", "-c", $"sleep {marker} & sleep {marker}");
LaunchPlan[] plans =
[
    builder.WithLaunchForm(LaunchForm.InMemory).Plan(),
    builder.WithLaunchForm(LaunchForm.Sealed).Plan(),
    builder.WithInit().Plan(),
];
using Stream output = Console.OpenStandardOutput();
ContainerProcess onMainThread = plans[0].Start();
output.WriteByte((byte)'.');
await Task.WhenAll(Enumerable.Range(0, 6).Select(async i =>
{
    var running = new Queue<ContainerProcess>();
    while (true)
    {
        running.Enqueue(await plans[i % plans.Length].StartAsync());
        output.WriteByte((byte)'.');
        if (running.Count > 3)
            await running.Dequeue().DisposeAsync();
    }
}));
return 0;
