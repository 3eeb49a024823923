using System.Text;
using Isolation.Containers;

namespace Isolation.Cookbook;

/// <summary>Gives a program its standard input: a text, and a stream.</summary>
internal static class FeedStandardInput
{
    internal static async Task Main(string[] arguments)
    {
        ContainerBuilder builder = new(Rootfs.Host);

        ContainerOutput sorted = await builder.WithCommand("sort").WithStandardInput("pear\napple\n").CaptureAsync();
        Console.Write(sorted.ThrowIfFailed().StandardOutput);

        using var stream = new MemoryStream(Encoding.UTF8.GetBytes("a stream of any length"));
        ContainerOutput counted = await builder.WithCommand("wc", "-c").WithStandardInput(stream).CaptureAsync();
        Console.Write(counted.ThrowIfFailed().StandardOutput);
    }
}
