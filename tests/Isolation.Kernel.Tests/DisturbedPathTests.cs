using System.Globalization;
using Isolation.Containers;
using Isolation.Namespaces;

namespace Isolation.Kernel.Tests;

/// <summary>Renames and mounts elsewhere disturb openat2(2), which then gives EAGAIN: man page, "EAGAIN"; the caller is to try
/// again.</summary>
public class DisturbedPathTests
{
    private static readonly int s_starts = Host.IsLong ? 600 : 40;

    [Fact]
    public async Task Renames_elsewhere_break_no_start()
    {
        using var directory = new TemporaryDirectory();
        string root = Box.MakeRoot(directory);
        // Each .. of a link's target is a chance for a rename to disturb.
        string dots = string.Concat(Enumerable.Repeat("d/../", 12));
        directory.Make("root/d");
        directory.Make("root/real/work");
        directory.Make("root/real/shown");
        directory.Make("root/real/hidden");
        directory.Make("root/etc");
        directory.Write("root/real/passwd", "worker:x:0:0::/:/bin/sh\n");
        directory.Link("root/dots", dots + "real");
        directory.Link("root/etc/passwd", "../" + dots + "real/passwd");
        string source = directory.Write("source", "shown");
        ContainerBuilder builder = new ContainerBuilder(Rootfs.Directory(root)).WithHostPrograms().WithUser("worker")
            .AddMount(new BindMount(source, "/dots/shown/new/file")).AddMount(new TmpfsMount("/dots/shown/tmpfs"))
                .AddMaskedPath("/dots/hidden").AddMaskedPath("/dots/none").AddReadOnlyPath("/dots/shown")
            .WithWorkingDirectory("/dots/work/new", create: true).WithCommand("/bin/sh", "-c", "pwd; cat /real/shown/new/file");
        directory.Make("renames");
        using var stop = new CancellationTokenSource();
        Task[] renames = [.. Enumerable.Range(0, 2)
            .Select(i => Task.Factory.StartNew(() => Rename(Path.Combine(directory.Path, "renames", $"{i}"), stop.Token),
            TestContext.Current.CancellationToken, TaskCreationOptions.LongRunning, TaskScheduler.Default))];
        try
        {
            string[] outputs = await Task.WhenAll(Enumerable.Range(0, s_starts).Select(_ => Task.Run(builder.OutputAsync)));
            Assert.All(outputs, o => Assert.Equal("/real/work/new\nshown", o));
        }
        finally
        {
            await stop.CancelAsync();
            await Task.WhenAll(renames);
        }
    }

    private static void Rename(string path, CancellationToken stop)
    {
        Directory.CreateDirectory(path + "a");
        while (!stop.IsCancellationRequested)
        {
            Directory.Move(path + "a", path + "b");
            Directory.Move(path + "b", path + "a");
        }
    }
}
