using Isolation.Containers;
using Isolation.Security;

namespace Isolation.Cookbook;

/// <summary>Denies a program the network: by an empty network namespace, and by a filter that refuses sockets.</summary>
internal static class DenyNetwork
{
    internal static async Task Main(string[] arguments)
    {
        // A container has no network unless it is given one: its namespace holds lo alone.
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host)
            .WithCommand("bash", "-c", "ls /sys/class/net; exec 3<>/dev/tcp/192.0.2.1/80");
        ContainerOutput output = await builder.CaptureAsync();
        Console.Write(output.StandardOutput);
        Console.WriteLine($"unreachable: {output.StandardError.Contains("unreachable", StringComparison.Ordinal)}");

        // The default filter, with sockets of AF_UNIX alone: the program cannot even talk to itself over lo.
        const uint AF_UNIX = 1;
        SeccompFilter filter = SeccompFilter.Default.Without("socket")
            .Add(SeccompAction.Allow, "socket", SeccompCondition.LowEqual(0, AF_UNIX));
        output = await builder.WithSeccomp(filter).CaptureAsync();
        Console.WriteLine($"refused: {output.StandardError.Contains("Operation not permitted", StringComparison.Ordinal)}");
    }
}
