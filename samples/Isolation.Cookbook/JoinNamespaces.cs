using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Cookbook;

/// <summary>Starts a second container in the network, IPC and PID namespaces of a first, as a pod's containers are.</summary>
internal static class JoinNamespaces
{
    internal static async Task Main(string[] arguments)
    {
        await using Container first = await new ContainerBuilder(Rootfs.Host)
            .WithHostName("first")
            .WithCommand("sleep", "1000")
            .StartAsync();

        ContainerBuilder second = new ContainerBuilder(Rootfs.Host)
            .WithHostName("second")
            .AddJoinedNamespaces(NamespaceKinds.Net | NamespaceKinds.Ipc | NamespaceKinds.Pid, first)
            .WithCommand("sh", "-c", "hostname; readlink /proc/self/ns/net; cat /proc/[0-9]*/comm | grep -c sleep");
        string[] lines = (await second.CaptureAsync()).ThrowIfFailed().StandardOutput.Split('\n');

        using Namespace network = Namespace.Open(NamespaceKinds.Net, first.Process);
        Console.WriteLine($"host name: {lines[0]}");
        Console.WriteLine($"same network: {lines[1] == network.ToString()}");
        Console.WriteLine($"sees the first's program: {lines[2] == "1"}");
    }
}
