using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>Overlays of many layers with long paths, as image stores have them. A value of fsconfig(2) has at most 255 bytes: man page,
/// FSCONFIG_SET_STRING.</summary>
public class LayerTests
{
    [Theory]
    [InlineData(4, false)]
    [InlineData(4, true)]
    [InlineData(100, false)]
    [InlineData(100, true)]
    [InlineData(130, false)]
    public async Task Layers_are_merged_however_long_their_paths_are(int count, bool olderKernel)
    {
        // More than 115 need lowerdir+ of fsconfig(2), which overlayfs has since Linux 6.7.
        Assert.SkipWhen(count > 115 && HostFacts.Current.Kernel < new KernelVersion(6, 7), "needs Linux 6.7 for so many layers");
        using var directory = new TemporaryDirectory();
        string[] layers = MakeLayers(directory, count, out string root);
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Overlay([.. layers, root])).WithHostPrograms()
            .AddMount(new OverlayMount([.. layers], "/mounted"))
                .WithCommand("/bin/sh", "-c", "cat /file; ls /layer* | wc -l; ls /mounted/layer* | wc -l; echo x > /file && echo written")
                .WithWritableRoot();
        // What an older kernel has no call for is not used where the plan is for one.
        HostFacts facts = olderKernel ? HostFacts.Current with { Kernel = new KernelVersion(6, 1) } : HostFacts.Current;
        await using Container process = await builder.WithStandardOutput(Stdio.Pipe).Build().Plan(facts)
            .StartAsync(TestContext.Current.CancellationToken);
        string output = await new StreamReader(process.StandardOutput!).ReadToEndAsync(TestContext.Current.CancellationToken);
        Assert.Equal($"0\n{count}\n{count}\nwritten\n", output);
        Assert.All(layers, l => Assert.Single(Directory.GetFiles(l, "layer*")));
    }

    [Fact]
    public void More_layers_than_an_older_kernel_takes_are_refused_with_the_remedy()
    {
        using var directory = new TemporaryDirectory();
        string[] layers = MakeLayers(directory, 130, out _);
        KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => new ContainerBuilder(Rootfs.Overlay(layers))
            .WithCommand("/bin/true").Build().Plan(HostFacts.Current with { Kernel = new KernelVersion(6, 1) }));
        Assert.Equal("This host cannot provide an overlay of 130 layers: before Linux 6.7 there may be 115, and this is Linux 6.1. "
            + "Merge some layers, or use a newer kernel.", e.Message);
    }

    [Fact]
    public async Task An_upper_layer_may_have_a_long_path_too()
    {
        using var directory = new TemporaryDirectory();
        string[] layers = MakeLayers(directory, 2, out string root);
        string deep = string.Join('/', Enumerable.Repeat(new string('d', 90), 3)), upper = directory.Make(deep + "/upper:1,\\"),
            work = directory.Make(deep + "/work");
        var rootfs = new OverlayRootfs([.. layers, root]) { UpperDirectory = upper, WorkDirectory = work };
        string output = await new ContainerBuilder(rootfs).WithHostPrograms().WithCommand("/bin/sh", "-c", "cat /file; echo kept > /new")
            .WithWritableRoot().OutputAsync();
        Assert.Equal("0", output);
        Assert.Equal("kept\n", File.ReadAllText(Path.Combine(upper, "new")));
    }

    private static string[] MakeLayers(TemporaryDirectory directory, int count, out string root)
    {
        root = Box.MakeRoot(directory);
        return
        [
            .. Enumerable.Range(0, count).Select(i =>
            {
                directory.Write($"overlay2/{i:x64}/diff/file", $"{i}\n");
                directory.Write($"overlay2/{i:x64}/diff/layer{i}", "");
                return Path.Combine(directory.Path, $"overlay2/{i:x64}/diff");
            }),
        ];
    }
}
