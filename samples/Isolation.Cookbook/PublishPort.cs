using System.Net;
using System.Net.Sockets;
using Isolation.Containers;

namespace Isolation.Cookbook;

/// <summary>Publishes a port of a container on the host's loopback, and connects to it.</summary>
internal static class PublishPort
{
    internal static async Task Main(string[] arguments)
    {
        ContainerNetwork network = HostFacts.Current.IsPrivileged
            ? new BridgeNetwork(arguments.ElementAtOrDefault(0) ?? "cookbook")
            : ContainerNetwork.UserMode;
        PublishedPort port = PublishedPort.OnFreePort(8080, IPAddress.Loopback, PortProtocol.Tcp);
        await using Container server = await new ContainerBuilder(Rootfs.Host)
            .WithNetwork(network)
            .AddPublishedPort(port)
            .WithCommand("socat", "TCP-LISTEN:8080,fork,reuseaddr", "SYSTEM:echo hello from $(hostname)")
            .WithHostName("server")
            .StartAsync();
        await server.WaitForPortAsync(8080);

        using var client = new TcpClient();
        await client.ConnectAsync(IPAddress.Loopback, port.HostPort);
        using var reader = new StreamReader(client.GetStream());
        Console.WriteLine(await reader.ReadLineAsync());
    }
}
