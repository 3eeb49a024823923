using System.Text.Json;
using Isolation.Linux;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Rates as a third party measures them.</summary>
public class RateLimitTests
{
    [Fact]
    public void A_limit_is_what_is_measured_each_way_before_and_after_a_live_change()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("iperf3");
        using var host = new NetworkHost();
        using NetworkHost.Running server = host.StartIn(host.World, "iperf3", "-s", "--forceflush");
        server.WaitForLine("Server listening");
        using NetworkHost.Running container = host.StartReady(
            ["--network", "web", "--name", "limited", "--net-egress", "10mbit", "--net-ingress", "10mbit"], "echo ready; sleep 300");
        // The process that has only its number.
        int process = Process(container);
        AssertRate(host, process, reverse: false, 10);
        AssertRate(host, process, reverse: true, 10);
        using PidHandle handle = PidHandle.Open(process);
        new RateLimit { Egress = BitRate.FromMegabits(20), Ingress = BitRate.FromMegabits(40) }.Apply("eth0", handle);
        Assert.Equal(new RateLimit { Egress = BitRate.FromMegabits(20), Ingress = BitRate.FromMegabits(40) },
            RateLimit.Read("eth0", handle));
        AssertRate(host, process, reverse: false, 20);
        AssertRate(host, process, reverse: true, 40);
        new RateLimit().Apply("eth0", handle);
        Assert.Equal(new RateLimit(), RateLimit.Read("eth0", handle));
        Assert.InRange(Measure(host, process, reverse: false), 100, double.MaxValue);
        Assert.InRange(Measure(host, process, reverse: true), 100, double.MaxValue);
        using RouteSocket inside = RouteSocket.Open(handle);
        Assert.DoesNotContain(inside.ReadLinks(), l => l is IfbLink);
    }

    private static int Process(NetworkHost.Running launcher)
    {
        // The launcher's child; its own child, below the init, is in the same network.
        string children = File.ReadAllText($"/proc/{launcher.Process.Id}/task/{launcher.Process.Id}/children");
        return int.Parse((children.Length > 0
            ? children
            : string.Concat(Directory.GetDirectories($"/proc/{launcher.Process.Id}/task").Select(t => File.ReadAllText(t + "/children"))))
            .Trim().Split(' ')[0]);
    }

    private static void AssertRate(NetworkHost host, int process, bool reverse, double megabits)
    {
        // tc-tbf(8) counts whole frames, iperf3 what they carry: of 1514 bytes 14 are Ethernet's, 20 IPv4's, 32 TCP's with timestamps.
        double carried = megabits * 1448 / 1514;
        // An emulated processor may not keep a link busy, whatever the limit; that no more passes holds there too.
        double least = carried * (Testing.Host.IsEmulated ? 0.5 : 0.95);
        // A host with much else to do may not keep even a slow link busy: then again.
        double measured = 0;
        for (int attempt = 0; attempt < 3 && measured < least; attempt++)
            measured = Measure(host, process, reverse);
        Assert.InRange(measured, least, carried * 1.05);
    }

    private static double Measure(NetworkHost host, int process, bool reverse)
    {
        string[] command = ["-t", $"{process}", "-n", "iperf3", "-c", NetworkHost.WorldAddress, "-t", "5", "-O", "1", "-J",
            .. reverse ? new[] { "-R" } : []];
        string output = "";
        for (int attempt = 0; attempt < 3; attempt++)
        {
            // A server that is not done with the one before answers with an object that has an error and no result;
            // then the code is 1, or 0 too.
            (int code, output) = Testing.Host.Run("nsenter", command);
            if (code == 0 && JsonDocument.Parse(output).RootElement is var said && !said.TryGetProperty("error", out _))
                return said.GetProperty("end").GetProperty("sum_received").GetProperty("bits_per_second").GetDouble() / 1e6;
            Thread.Sleep(500);
        }

        Assert.Fail($"iperf3 says three times: {output}");
        return 0;
    }
}
