using System.Diagnostics;
using Isolation.Cgroups;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Cgroups;

/// <summary>A program that sees more of the hierarchies than its own control group, or less than is mounted:
/// its containers stay below it, under its limits.</summary>
public class NamespaceMountTests
{
    private static readonly string s_launcher = $"dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")}";

    [Theory]
    [InlineData("")]
    [InlineData("unshare -C -m --propagation private ")]            // the old mounts' roots lie above the namespace's
    [InlineData("unshare -C -m -p -f --mount-proc --propagation private ")]
    public async Task A_container_is_below_its_callers_control_group_and_within_its_limit(string unshare)
    {
        Assert.SkipWhen(TestCgroup.IsV2 && unshare.Contains(" -p ", StringComparison.Ordinal),
            "on version 2 unshare itself stays in the group, which then can have no controllers below; nobody inside sees it");
        using var test = new TestCgroup("outer");
        test.Group.WithMemoryMax(ByteSize.FromMebibytes(160)).WithMemorySwapMax(new(0));
        string name = $"inner{Environment.ProcessId}", found = $"{test.Path}/isolation-{name}";
        // Asks for more than there is outside.
        using Process process = test.Start(
            $"exec {unshare}{s_launcher} run --name {name} --memory 1g -- sh -c 'echo up; read go; tail /dev/zero'");
        Task<string> errors = process.StandardError.ReadToEndAsync();
        string? first = await process.StandardOutput.ReadLineAsync();
        Assert.True(first == "up", first ?? await errors);
        using (Cgroup inner = Cgroup.Open(found))
            Assert.NotEmpty(inner.ReadProcesses());
        foreach (string mount in MountPoints())
            Assert.False(Directory.Exists($"{mount}/isolation-{name}"), $"beside the caller in {mount}");
        process.StandardInput.WriteLine();
        process.StandardInput.Flush();
        await process.WaitForExitAsync();
        Assert.Equal(137, process.ExitCode);
        Assert.Contains("by a limit outside of it", await errors);
    }

    [Theory]
    [InlineData("mount -t tmpfs none MEMORY")]
    [InlineData("mkdir MEMORY/OTHER; mount --bind MEMORY/OTHER MEMORY")] // shows a part that the caller is not in
    [InlineData("mount -t tmpfs none /sys/fs/cgroup")]
    [InlineData("mount -t tmpfs none /sys")]
    public void A_hierarchy_whose_mount_is_hidden_is_not_used_and_its_limits_are_refused(string hide)
    {
        using var test = new TestCgroup("hidden");
        string memory = MountPoints().First(), other = "isolation-other-" + Environment.ProcessId;
        hide = hide.Replace("MEMORY", memory).Replace("OTHER", other);
        try
        {
            (int code, string output) = test.Run($"exec unshare -m --propagation private sh -c '{hide}; {s_launcher} run --memory 64m -- "
                + $"true; echo code $?; {s_launcher} run -- echo runs'");
            Assert.True(code == 0 && output.Contains("code 125\n") && output.Contains("\nruns\n"), output);
            Assert.Matches("This host cannot provide (memory.max: the controller memory is not mounted|a control group of the container's "
                + "own: no control groups are mounted)", output);
        }
        finally
        {
            if (Directory.Exists(Path.Combine(memory, other)))
                Directory.Delete(Path.Combine(memory, other));
        }
    }

    /// <summary>The real roots: memory's first.</summary>
    private static IEnumerable<string> MountPoints()
    {
        CgroupHierarchies hierarchies = CgroupHierarchies.Read();
        return hierarchies.V1.Where(v => v.Key == "memory").Concat(hierarchies.V1.Where(v => v.Key != "memory")).Select(v => v.Value)
            .Concat(hierarchies.V2 is { } v2 ? [v2] : Array.Empty<CgroupMount>()).Select(m => m.MountPoint).Distinct();
    }
}
