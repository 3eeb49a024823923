using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

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

// A host that changes under a program that runs on: a start, a mount on a directory of the host's root, another start.
if (args[0] == "--mount-between-starts")
{
    ContainerBuilder host = new ContainerBuilder(Rootfs.Host).WithUserNamespace(UserNamespaceMode.New)
        .WithCommand("/bin/sh", "-c", $"ls -A {args[1]}");
    Console.WriteLine((await host.RunAsync()).Status);
    using var mount = System.Diagnostics.Process
        .Start("sh", ["-c", $"mount -t tmpfs none {args[1]} && mkdir {args[1]}/new && mount -t tmpfs none {args[1]}/new"]);
    mount.WaitForExit();
    Console.WriteLine((await host.RunAsync()).Status);
    return 0;
}

if (args[0] == "--mounts")
{
    Isolation.Testing.Victim.MountVictim.Run(args[1]);
    return 0;
}

if (args[0] == "--foreign-root")
    return Isolation.Testing.Victim.ForeignRootVictim.Run(args[1], args[2]);

if (args[0] == "--reuse")
{
    await Isolation.Testing.Victim.ReuseVictim.RunAsync();
    return 0;
}

if (args[0] is "--faults" or "--fault-kill" or "--fault-after")
    return await Isolation.Testing.Victim.FaultVictim.RunAsync(args);

if (args[0] == "--inheritance")
    return await Isolation.Testing.Victim.InheritanceVictim.RunAsync(args[1]);

if (args[0] is "--no-descriptor" or "--no-thread" or "--thread-refused" or "--pool" or "--type-initializers")
    return await Isolation.Testing.Victim.ShortageVictim.RunAsync(args[0]);

if (args[0] is "--recycled-namespace" or "--beside-strangers" or "--kill-group" or "--recycled-process" or "--named"
    or "--two-containers" or "--register")
    return await Isolation.Testing.Victim.StrangerVictim.RunAsync(args[0], args[1..]);

// Moves a process to a control group below this one's, and tells what a plain write of cgroup.procs is answered.
if (args[0] == "--attach")
{
    using Isolation.Cgroups.CgroupV2 held = Isolation.Cgroups.CgroupV2.Create("held");
    Console.WriteLine(held.Path);
    try
    {
        File.WriteAllText($"/sys/fs/cgroup{held.Path}/cgroup.procs", args[1]);
        Console.WriteLine("written");
    }
    catch (UnauthorizedAccessException)
    {
        Console.WriteLine("EACCES");
    }

    held.AddProcess(int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture));
    return 0;
}

if (args[0] == "--containers")
    return await Isolation.Testing.Victim.Neighbour.RunAsync(int.Parse(args[1], System.Globalization.CultureInfo.InvariantCulture));

if (args[0] == "--orphan")
{
    Container orphan = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", args[1]).OutliveParent()
        .WithInit(args[2] == "init").Start();
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
Container onMainThread = plans[0].Start();
output.WriteByte((byte)'.');
await Task.WhenAll(Enumerable.Range(0, 6).Select(async i =>
{
    var running = new Queue<Container>();
    while (true)
    {
        running.Enqueue(await plans[i % plans.Length].StartAsync());
        output.WriteByte((byte)'.');
        if (running.Count > 3)
            await running.Dequeue().DisposeAsync();
    }
}));
return 0;
