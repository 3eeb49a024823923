using System.Diagnostics;
using System.Globalization;
using Isolation.Linux;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What is left of networks when those who made them are killed.</summary>
public class NetworkSurvivalTests
{
    [Fact]
    public async Task Nothing_is_left_of_networked_launches_whose_parents_are_killed_and_living_ports_go_on()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        Assert.SkipWhen(Testing.Host.IsEmulated, "so many launches take too long in the emulated machine");
        HashSet<string> cgroups = [.. Leaks.Cgroups()];
        using var host = new NetworkHost();
        using NetworkHost.Running parent = host.StartIn(host.Host, "dotnet", Path.Combine(AppContext.BaseDirectory,
            "Isolation.Testing.Victim.dll"), "--network-orphan", "socat TCP4-LISTEN:80,fork,reuseaddr SYSTEM:'echo alive'");
        await WaitForAsync(() => parent.Output.Length > 0);
        using PidHandle orphan = PidHandle.Open(int.Parse(parent.Output, CultureInfo.InvariantCulture));
        try
        {
            parent.Process.Kill();
            await WaitForAsync(() => NetworkHost.Ask(host.World, $"TCP4:{NetworkHost.HostAddress}:8080") == "alive");
            int launches = 0, enough = Testing.Host.IsLong ? 300 : 80;
            for (int round = 0; launches < enough && round < 400; round++)
            {
                launches += await KillVictimAsync(host, TimeSpan.FromMilliseconds(Random.Shared.Next(0, 500)));
                Assert.Equal("alive", NetworkHost.Ask(host.Host, "TCP4:127.0.0.1:8080"));
            }

            Assert.InRange(launches, enough, int.MaxValue);
            // The next start cleans up; here its container is off the others' networks.
            host.LaunchOutput("run", "--network", "last", "--", "true");
            string left = host.Leftovers();
            string[] kept = [.. left.Split(", ").Where(l =>
                !l.Contains("/kept/") && !l.Contains("/hosts/") && !l.Contains("/claims/")
                && l is not ("iso-kept" or "table isolation-kept") && !l.StartsWith("ve", StringComparison.Ordinal))];
            Assert.Empty(kept);
            Assert.Single(left.Split(", "), l => l.StartsWith("ve", StringComparison.Ordinal));
            Assert.InRange(left.Split(", ").Count(l => l.Contains("/hosts/") && !l.EndsWith("/shared", StringComparison.Ordinal)), 0, 1);
            Assert.Equal("alive", NetworkHost.Ask(host.World, $"TCP4:{NetworkHost.HostAddress}:8080"));
        }
        finally
        {
            orphan.SendSignal(Signal.SIGKILL);
        }

        await WaitForAsync(() => orphan.HasExited);
        await WaitForAsync(() => Leaks.RemoveCgroups(cgroups));
        host.LaunchOutput("run", "--network", "last", "--", "true");
        Assert.Equal("", host.Leftovers());
    }

    [Fact]
    public void A_damaged_lease_and_a_full_disk_are_told_and_nothing_is_half_made()
    {
        Testing.Host.NeedsRoot();
        Assert.SkipWhen(Testing.Host.IsEmulated, "takes too long in the emulated machine");
        using var host = new NetworkHost();
        using NetworkHost.Running a = host.StartReady(["--network", "web"], "echo ready; sleep 60");
        string lease = Directory.GetFiles(host.StateDirectory, "*.lease", SearchOption.AllDirectories).Single();
        string content = File.ReadAllText(lease);
        File.WriteAllText(lease, "{");
        (int code, string output) = host.Launch("run", "--network", "web", "--", "true");
        Assert.Equal(125, code);
        Assert.Contains(".lease\". The file is damaged:", output);
        File.WriteAllText(lease, content);
        host.LaunchOutput("run", "--network", "web", "--", "true");
        a.Stop();
        Assert.Equal("", host.Leftovers());
        // A disk without room, in a mount namespace of its own.
        (code, output) = host.StartIn(host.Host, "unshare", "-m", "sh", "-c",
            $"mount -t tmpfs -o size=4k tmpfs {host.StateDirectory} && head -c 4096 /dev/zero > {host.StateDirectory}/full; "
                + $"dotnet {Path.Combine(AppContext.BaseDirectory, "Isolation.Launcher.dll")} run --network web -- true").WaitForEnd();
        Assert.NotEqual(0, code);
        Assert.Contains("Cannot lease an address of bridge network \"web\"", output);
        Assert.Contains("ENOSPC", output);
        Assert.DoesNotContain(host.Host.Route.ReadLinks(), l => l.Name == "iso-web");
    }

    [Fact]
    public void A_network_whose_files_are_gone_in_part_is_made_whole_by_the_next_start()
    {
        // Who is killed, or refused an unlink(2), while it deletes a directory has deleted some of it. The names of other containers
        // are read from these files, so that the next start needs them.
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        foreach (string victim in new[] { "hosts", "network.json" })
        {
            NetworkHost.Running a = host.StartReady(["--network", "web", "--name", "a"], "echo ready; sleep 600");
            string file = Directory.GetFileSystemEntries(host.StateDirectory, victim, SearchOption.AllDirectories)
                .Single(f => f.Contains("/web/", StringComparison.Ordinal));
            a.Process.Kill();
            a.Process.WaitForExit();
            if (Directory.Exists(file))
                Directory.Delete(file, recursive: true);
            else
                File.Delete(file);
            Assert.Matches(@"\sb(\s|$)", host.LaunchOutput("run", "--network", "web", "--name", "b", "--", "cat", "/etc/hosts"));
            Assert.Equal("", host.Leftovers());
        }
    }

    private static async Task<int> KillVictimAsync(NetworkHost host, TimeSpan life)
    {
        var start = new ProcessStartInfo("nsenter", ["--net=" + host.Host.Path, "dotnet",
            Path.Combine(AppContext.BaseDirectory, "Isolation.Testing.Victim.dll"), "--network-loop", "600"])
        { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ISOLATION_NETWORKS"] = host.StateDirectory;
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        var buffer = new byte[65536];
        int started = await process.StandardOutput.BaseStream.ReadAsync(buffer);
        Assert.True(started > 0, "the victim started nothing: " + (started > 0 ? "" : await errors));
        await Task.Delay(life);
        process.Kill();
        int length;
        while ((length = await process.StandardOutput.BaseStream.ReadAsync(buffer)) > 0)
            started += length;
        await process.WaitForExitAsync();
        return started;
    }

    private static async Task WaitForAsync(Func<bool> condition)
    {
        for (int i = 0; i < 1200; i++)
        {
            if (condition())
                return;
            await Task.Delay(50);
        }

        Assert.Fail("It did not come to be in a minute.");
    }
}
