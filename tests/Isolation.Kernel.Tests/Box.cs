using Isolation.Containers;

namespace Isolation.Kernel.Tests;

/// <summary>A container with captured output.</summary>
internal static class Box
{
    /// <summary>A builder over the host's root, which needs nothing installed.</summary>
    internal static ContainerBuilder Builder(params string[] command) => new ContainerBuilder(Rootfs.Host).WithCommand(command[0], command[1..]).WithHostName("box");

    internal static ContainerBuilder Shell(string script) => Builder("/bin/sh", "-c", script);

    /// <summary>Runs to the end and returns how it ended and what it wrote to both outputs.</summary>
    internal static async Task<(ContainerResult Result, string Output)> CaptureAsync(this ContainerBuilder builder)
    {
        await using ContainerProcess process = await builder.WithStandardOutput(Stdio.Pipe).WithStandardError(Stdio.Pipe).StartAsync(TestContext.Current.CancellationToken);
        Task<string> errors = new StreamReader(process.StandardError!).ReadToEndAsync();
        string output = await new StreamReader(process.StandardOutput!).ReadToEndAsync();
        ContainerResult result = await process.WaitAsync();
        return (result, output + await errors);
    }

    /// <summary>Runs a script that must succeed, and returns its output without the last newline.</summary>
    internal static async Task<string> OutputAsync(this ContainerBuilder builder)
    {
        (ContainerResult result, string output) = await builder.CaptureAsync();
        Assert.True(result.Status.Code == 0, $"{result}: {output}");
        return output.TrimEnd('\n');
    }

    /// <summary>A root of its own: the host's programs, read-only, below a directory that a test may fill with anything.</summary>
    internal static ContainerBuilder WithHostPrograms(this ContainerBuilder builder) =>
        new[] { "/usr", "/lib", "/lib64", "/bin" }.Where(d => new DirectoryInfo(d) is { Exists: true, LinkTarget: null })
            .Aggregate(builder, (b, d) => b.AddMount(new Namespaces.BindMount(d, d, Namespaces.MountFlags.ReadOnly) { Recursive = false }));

    /// <summary>Fills a directory with what a root needs to run the host's programs.</summary>
    internal static string MakeRoot(TemporaryDirectory directory)
    {
        string root = directory.Make("root");
        foreach (string name in new[] { "bin", "sbin", "lib", "lib64" })
        {
            if (new DirectoryInfo("/" + name) is { Exists: true, LinkTarget: { } target })
                directory.Link("root/" + name, target);
        }

        return root;
    }
}
