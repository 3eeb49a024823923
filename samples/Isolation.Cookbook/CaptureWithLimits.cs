using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;

namespace Isolation.Cookbook;

/// <summary>Runs a program with limits and captures what it writes.</summary>
internal static class CaptureWithLimits
{
    internal static async Task Main(string[] arguments)
    {
        ContainerOutput output = await new ContainerBuilder(Rootfs.Host)
            .WithCommand("sh", "-c", "echo out; echo err >&2; exit 3")
            .WithMemoryMax(ByteSize.FromMebibytes(256))
            .WithPidsMax(64)
            .WithTimeout(TimeSpan.FromSeconds(10))
            .WithOutputMax(ByteSize.FromMebibytes(1))
            .CaptureAsync();

        Console.Write($"standard output: {output.StandardOutput}");
        Console.Write($"standard error: {output.StandardError}");
        Console.WriteLine($"exit code: {output.ExitCode}");
        Console.WriteLine($"result: {output.Result}");
    }
}
