using System.Net;
using Isolation.Containers;

namespace Isolation.Cookbook;

/// <summary>Lets a program connect to one host and port, and nowhere else.</summary>
internal static class AllowOneHost
{
    internal static async Task Main(string[] arguments)
    {
        string allowed = arguments.ElementAtOrDefault(0) ?? "example.com:443";
        // A bridge needs root; an ordinary user has the network of pasta or slirp4netns.
        ContainerNetwork network = HostFacts.Current.IsPrivileged
            ? new BridgeNetwork(arguments.ElementAtOrDefault(1) ?? "cookbook")
            : ContainerNetwork.UserMode;
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host)
            .WithNetwork(network)
            .WithEgress(EgressPolicy.DenyAll.Allow(allowed + "/tcp"))
            .WithTimeout(TimeSpan.FromSeconds(10));

        foreach (string destination in new[] { allowed, "192.0.2.1:80" })
        {
            string[] parts = destination.Split(':');
            ContainerOutput output = await builder
                .WithCommand("bash", "-c", "exec 3<>/dev/tcp/$0/$1", parts[0], parts[1])
                .CaptureAsync();
            Console.WriteLine($"{destination}: {(output.IsSuccess ? "connected" : output.StandardError.Split(": ")[^1].Trim())}");
        }
    }
}
