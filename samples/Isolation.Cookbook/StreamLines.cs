using Isolation.Containers;

namespace Isolation.Cookbook;

/// <summary>Reads the lines of a program while it runs.</summary>
internal static class StreamLines
{
    internal static async Task Main(string[] arguments)
    {
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Host)
            .WithCommand("sh", "-c", "for i in 1 2 3; do echo step $i; sleep 0.1; done; exit 4");
        try
        {
            await foreach (OutputLine line in builder.ReadLinesAsync())
                Console.WriteLine($"{line.Source}: {line.Text}");
        }
        catch (ContainerFailedException e)
        {
            // The loop throws after the last line if the program failed.
            Console.WriteLine($"exit code: {e.Result.ExitCode}");
        }
    }
}
