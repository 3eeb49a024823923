using Isolation.Containers;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>A container with captured output.</summary>
internal static class Box
{
    /// <summary>A builder over the host's root, which needs nothing installed.</summary>
    internal static ContainerBuilder Builder(params string[] command) =>
        new ContainerBuilder(Rootfs.Host).WithCommand(command[0], command[1..]).WithHostName("box");

    internal static ContainerBuilder Shell(string script) => Builder("/bin/sh", "-c", script);

    /// <summary>Runs to the end and returns how it ended and what it wrote to both outputs.</summary>
    internal static async Task<(ContainerResult Result, string Output)> RunAndReadAsync(this ContainerBuilder builder)
    {
        ContainerOutput output = await builder.CaptureAsync(TestContext.Current.CancellationToken);
        return (output.Result, output.StandardOutput + output.StandardError);
    }

    /// <summary>Runs a script that must succeed, and returns its output without the last newline.</summary>
    internal static async Task<string> OutputAsync(this ContainerBuilder builder)
    {
        (ContainerResult result, string output) = await builder.RunAndReadAsync();
        Assert.True(result.Status.Code == 0, $"{result}: {output}");
        return output.TrimEnd('\n');
    }

    /// <summary>A root of its own: the host's programs, read-only, below a directory that a test may fill with anything.</summary>
    internal static ContainerBuilder WithHostPrograms(this ContainerBuilder builder) =>
        new[] { "/usr", "/lib", "/lib64", "/bin" }.Where(d => new DirectoryInfo(d) is { Exists: true, LinkTarget: null })
            .Aggregate(builder, (b, d) => b.AddMount(new Namespaces.BindMount(d, d, Namespaces.MountFlags.ReadOnly) { Recursive = false }));

    /// <summary>Where the runtime lies that runs this test, for containers in which a program of it runs.</summary>
    internal static string Sdk => Path.GetDirectoryName(Path.GetFileName(Environment.ProcessPath) == "dotnet" ? Environment.ProcessPath
        : File.ResolveLinkTarget(Host.FindTool("dotnet")!, returnFinalTarget: true)?.FullName ?? Host.FindTool("dotnet"))!;

    /// <summary>Skips where an ordinary user may map its own id only.</summary>
    internal static void NeedsRanges() =>
        Assert.SkipUnless(HostFacts.Current is { NewUidMap: not null, SubUserIds.IsEmpty: false },
        "needs newuidmap and a range in /etc/subuid");

    /// <summary>A user namespace with many ids: as root any, as an ordinary user those that are granted.</summary>
    internal static ContainerBuilder WithRanges(this ContainerBuilder builder)
    {
        if (Host.IsRoot)
            return builder.WithUserNamespace(IdMap.Parse("0:100000:65536"), IdMap.Parse("0:100000:65536"));
        NeedsRanges();
        HostFacts facts = HostFacts.Current;
        return builder.WithUserNamespace(SubIdFile.ToMap(facts.UserId, facts.SubUserIds)!,
            SubIdFile.ToMap(facts.GroupId, facts.SubGroupIds)!);
    }

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
