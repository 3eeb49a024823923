using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;
using Isolation.Containers;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What a start does with the files of networks, counted: the same however many containers there are.</summary>
public class NetworkScaleTests
{
    [Fact]
    public void A_start_reads_and_writes_as_many_files_among_three_hundred_containers_as_among_forty()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("strace");
        Assert.SkipWhen(Testing.Host.IsEmulated, "takes too long in the emulated machine");
        using var host = new NetworkHost();
        using NetworkHost.Running first = host.StartReady(["--network", "web"], "echo ready; sleep 600");
        string network = Path.GetDirectoryName(Directory.GetFiles(host.StateDirectory + "/run", "network.json",
            SearchOption.AllDirectories).Single())!;
        (int few, int fewLines) = OpensAmong(host, network, 40);
        (int many, int manyLines) = OpensAmong(host, network, 300);
        Assert.InRange(many, few - 3, few + 3);
        // The one that they share, and the one of the first, which has a host name of its own.
        Assert.Equal((2, 2), (fewLines, manyLines));
    }

    /// <summary>How often a start opens files of networks; and hosts files of containers.</summary>
    private static (int Files, int Hosts) OpensAmong(NetworkHost host, string network, int count)
    {
        for (int i = 100; i < 100 + count; i++)
        {
            if (!File.Exists(Path.Combine(network, $"{i}.lease")))
                Write(network, i);
        }

        string trace = Path.Combine(host.StateDirectory, "trace");
        using NetworkHost.Running run = host.StartUnder(["strace", "-f", "-qq", "-e", "trace=openat", "-o", trace], "run", "--network",
            "web", "--name", "newcomer", "-p", "8080:80", "--", "true");
        (int code, string output) = run.WaitForEnd();
        Assert.True(code == 0, output);
        // Until the program is executed; what follows is the end.
        string[] lines = [.. File.ReadLines(trace).Where(l =>
            l.Contains(host.StateDirectory, StringComparison.Ordinal) && l.Contains("O_", StringComparison.Ordinal)
            && !l.Contains("O_DIRECTORY", StringComparison.Ordinal))];
        int hosts = lines.Count(l => Regex.IsMatch(l, "/hosts/[0-9a-z]+\"") && l.Contains("O_APPEND", StringComparison.Ordinal));
        return (lines.Count(l => !l.Contains("/hosts/", StringComparison.Ordinal)), hosts);
    }

    /// <summary>A lease of a container that lives: it belongs to this process.</summary>
    private static void Write(string network, int index)
    {
        string id = index.ToString("x16", CultureInfo.InvariantCulture);
        NetworkLease lease = new NetworkLease
        {
            Network = Path.GetFileName(network),
            Index = index,
            Id = id,
            ProcessId = 0,
            StartTime = 0,
            Address = new IPAddress([10, 89, (byte)(index >> 8), (byte)index]),
            HostLink = "ve" + id[..12],
            Name = $"c{index}",
            Names = [$"c{index}"],
            SharesHosts = true,
        }.OwnedBy(Environment.ProcessId);
        File.WriteAllText(Path.Combine(network, $"{index}.lease"), NetworkJson.Write(lease));
        File.AppendAllText(Path.Combine(network, "hosts", "shared"), lease.HostsLines);
    }
}
