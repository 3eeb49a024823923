using System.Diagnostics;
using System.Globalization;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net.Routing;

namespace Isolation.Testing.Victim;

/// <summary>Has the kernel give a container's number to a stranger, and says what each way of naming the container by what was kept of it
/// then reaches. Runs in a PID namespace of its own.</summary>
internal static class ReuseVictim
{
    internal static async Task RunAsync()
    {
        // The runtime starts its thread for children with the first of them: it would get the number.
        using (Process warmUp = Process.Start("/bin/true"))
            await warmUp.WaitForExitAsync();
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/sleep", "100");
        Container first = await builder.StartAsync();
        int id = first.ProcessId;
        SetLastNumber(id + 5000); // the runtime's own threads get others
        PidHandle held = PidHandle.Open(id);
        ContainerBuilder newcomer = new ContainerBuilder(Rootfs.Host).WithCommand("/bin/true");
        LaunchPlan byNumber = newcomer.AddJoinedNamespaces(NamespaceKinds.Net, id).Plan(),
            byHandle = newcomer.AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Ipc, held).Plan(),
            byContainer = newcomer.AddJoinedNamespaces(NamespaceKinds.Net, first).Plan();
        using Namespace network = Namespace.Open(NamespaceKinds.Net, held);
        LaunchPlan byNamespace = new ContainerBuilder(Rootfs.Host)
            .WithCommand("/bin/sh", "-c", "exit $([ $(readlink /proc/self/ns/net) = \"$0\" ] && echo 7 || echo 8)", network.ToString())
            .AddJoinedNamespace(network).Plan();
        await first.DisposeAsync();

        using Process stranger = StartWithNumber(id);
        bool isOurs = new FileInfo($"/proc/{id}/ns/net").LinkTarget == new FileInfo("/proc/self/ns/net").LinkTarget;
        Console.WriteLine($"number reused: {stranger.Id == id && isOurs}");
        Tell("join by number", await Record(() => byNumber.StartAsync()));
        Tell("join by handle", await Record(() => byHandle.StartAsync()));
        Tell("join by container", await Record(() => byContainer.StartAsync()));
        Tell("namespace by handle", await Record(() => Task.FromResult(Namespace.Open(NamespaceKinds.Net, held))));
        Tell("route socket by handle", await Record(() => Task.FromResult(RouteSocket.Open(held))));
        Tell("signal", await Record(() => { held.SendSignal(Signal.SIGKILL); return Task.FromResult(0); }));
        Console.WriteLine($"traffic: {ContainerTraffic.Read(held)?.ToString() ?? "none"}");
        await using Container inNamespace = await byNamespace.StartAsync();
        Console.WriteLine($"join by namespace: {(await inNamespace.WaitAsync()).Status.Code}");
        Console.WriteLine($"stranger lives: {!stranger.HasExited}");
        stranger.Kill();
    }

    private static async Task<Exception?> Record<T>(Func<Task<T>> action)
    {
        try
        {
            await action();
            return null;
        }
        catch (Exception e) when (e is LinuxException or LaunchException or ObjectDisposedException)
        {
            return e;
        }
    }

    private static void Tell(string what, Exception? refusal)
    {
        string told = refusal switch
        {
            null => "done",
            LinuxException e => e.Errno.ToString(),
            ObjectDisposedException => "closed",
            _ => refusal.ToString(),
        };
        Console.WriteLine($"{what}: {told}");
    }

    /// <summary>Starts a process with a certain number: the next one after the last, pid_namespaces(7).</summary>
    private static Process StartWithNumber(int id)
    {
        while (true)
        {
            SetLastNumber(id - 1);
            Process process = Process.Start("/bin/sleep", "100");
            if (process.Id == id)
                return process;
            process.Kill(); // a thread of the runtime was faster
            process.WaitForExit();
        }
    }

    private static void SetLastNumber(int number) =>
        File.WriteAllText("/proc/sys/kernel/ns_last_pid", number.ToString(CultureInfo.InvariantCulture));
}
