using System.Diagnostics;
using Isolation.Containers;

namespace Isolation.Kernel.Tests;

/// <summary>The tests themselves, beside another program that starts and stops containers all the time:
/// they see none of its, and leave all of it alone.</summary>
public class NeighbourTests
{
    [Fact]
    public async Task What_another_programs_containers_leave_for_a_moment_is_no_leak_of_ours_and_none_of_theirs_is_touched()
    {
        Assert.SkipWhen(!Host.IsRoot && RunGroup.Directories.Count > 0,
            "needs root: an ordinary user's other programs are in the same delegated control group");
        using Process neighbour = StartNeighbour(20);
        Assert.Equal("at work", await neighbour.StandardOutput.ReadLineAsync());
        HashSet<string> cgroups = [.. Leaks.Cgroups()];
        var leaks = new Leaks();
        leaks.AssertNone();
        for (DateTime end = DateTime.UtcNow.AddSeconds(2); DateTime.UtcNow < end;)
        {
            Assert.Equal(cgroups, [.. Leaks.Cgroups()]);
            Assert.True(Leaks.RemoveCgroups(cgroups));
            Assert.Empty(SurvivalTests.Survivors("no command has this"));
            Assert.Equal("ours", await Box.Shell("echo ours").OutputAsync());
        }

        // One that is killed leaves what its reaper is still busy with.
        if (Host.IsRoot)
        {
            using Process killed = StartNeighbour(20);
            Assert.Equal("at work", await killed.StandardOutput.ReadLineAsync());
            killed.Kill();
            for (int i = 0; i < 20; i++)
                Assert.Empty(SurvivalTests.Survivors("no command has this"));
            await killed.WaitForExitAsync();
        }

        Assert.Equal(cgroups, [.. Leaks.Cgroups()]);
        neighbour.StandardInput.Close();
        string said = await neighbour.StandardOutput.ReadToEndAsync();
        await neighbour.WaitForExitAsync();
        Assert.Matches("^started [0-9]{2,}, first problem: none\n$", said);
        TestContext.Current.TestOutputHelper?.WriteLine(said);
    }

    private static Process StartNeighbour(int containers)
    {
        string script = $"{RunGroup.LeaveScript}\nexec dotnet '{Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll")}' "
            + $"--containers {containers}";
        return Process.Start(new ProcessStartInfo("/bin/sh", ["-c", script])
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true
        })!;
    }
}
