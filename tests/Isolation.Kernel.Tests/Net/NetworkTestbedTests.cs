using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Net.Routing;
using Isolation.Net.Testbed;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>The testbed, as users' own tests use it.</summary>
public class NetworkTestbedTests
{
    [Fact]
    public void Hosts_talk_over_links_and_routers_pass_packets_on()
    {
        Host.NeedsRoot();
        using (var bed = new NetworkTestbed())
        {
            TestbedHost client = bed.AddHost("client"), router = bed.AddHost("router"), server = bed.AddHost("server");
            (_, IPAddress near) = bed.Connect(client, router);
            (IPAddress far, _) = bed.Connect(router, server, new LinkConditions { Rate = BitRate.FromMegabits(10), Mtu = 1400 });
            router.EnableForwarding();
            client.AddRoute(Route.DefaultIPv4, near);
            server.AddRoute(Route.DefaultIPv4, far);
            (double seconds, int bytes) = Transfer(client, server, 1_250_000);
            Assert.Equal(1_250_000, bytes);
            Assert.InRange(seconds, 0.7, 30); // ten megabits at ten a second
            bed.SetConditions(router, server, new LinkConditions { Rate = BitRate.FromMegabits(100) });
            // A host with much else to do may need more time than the link: once is enough.
            Assert.InRange(Enumerable.Range(0, 5).Select(_ => Transfer(client, server, 1_250_000).Seconds).FirstOrDefault(s => s <= 0.7),
                0.05, 0.7);
            Assert.Throws<ArgumentException>(() => bed.SetConditions(client, server, new LinkConditions()));
            Assert.Throws<ArgumentException>(() => bed.AddHost("client"));
            using Process process = client.Run(
                () => Process.Start(new ProcessStartInfo("ip", "-br addr") { RedirectStandardOutput = true })!);
            Assert.Contains("10.201.0.1/24", process.StandardOutput.ReadToEnd());
            process.WaitForExit();
        }

        var leaks = new Leaks();
        using (var bed = new NetworkTestbed())
            bed.Connect(bed.AddHost("a"), bed.AddHost("b"), new LinkConditions { Rate = BitRate.FromMegabits(10) });
        leaks.AssertNone();
    }

    [Fact]
    public void Delay_and_loss_are_felt_or_the_missing_part_is_named()
    {
        Host.NeedsRoot();
        using var bed = new NetworkTestbed();
        TestbedHost a = bed.AddHost("a"), b = bed.AddHost("b");
        var slow = new LinkConditions { Delay = TimeSpan.FromMilliseconds(40) };
        if (!TestNetwork.HasQdisc(l => new NetemQdisc(l)))
        {
            KernelFeatureException e = Assert.Throws<KernelFeatureException>(() => bed.Connect(a, b, slow));
            Assert.Equal("This host cannot provide a link with delay, loss, duplication or corruption: the kernel lacks netem. "
                + "Load the module sch_netem, or use a kernel with CONFIG_NET_SCH_NETEM.", e.Message);
            return;
        }

        bed.Connect(a, b, slow);
        using Socket listener = b.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(b.Address!, 80));
        listener.Listen();
        using Socket client = a.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        long start = Stopwatch.GetTimestamp();
        client.Connect(b.Address!, 80);
        Assert.InRange(Stopwatch.GetElapsedTime(start).TotalMilliseconds, 79, 30_000); // there and back
        bed.SetConditions(a, b, new LinkConditions { Loss = 1 });
        using Socket lost = a.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        using Socket receiver = b.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp));
        receiver.Bind(new IPEndPoint(b.Address!, 81));
        receiver.ReceiveTimeout = 300;
        lost.SendTo("x"u8, new IPEndPoint(b.Address!, 81));
        Assert.Throws<SocketException>(() => receiver.Receive(new byte[10]));
        bed.SetConditions(a, b, new LinkConditions());
        receiver.ReceiveTimeout = 30_000;
        lost.SendTo("x"u8, new IPEndPoint(b.Address!, 81));
        Assert.Equal(1, receiver.Receive(new byte[10]));
    }

    private static (double Seconds, int Bytes) Transfer(TestbedHost from, TestbedHost to, int length)
    {
        using Socket listener = to.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        listener.Bind(new IPEndPoint(to.Address!, 0));
        listener.Listen();
        using Socket client = from.Run(() => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp));
        client.Connect(listener.LocalEndPoint!);
        using Socket server = listener.Accept();
        var sender = new Thread(() =>
        {
            client.Send(new byte[length]);
            client.Shutdown(SocketShutdown.Send);
        });
        long start = Stopwatch.GetTimestamp();
        sender.Start();
        var buffer = new byte[65536];
        int total = 0, read;
        while ((read = server.Receive(buffer)) > 0)
            total += read;
        sender.Join();
        return (Stopwatch.GetElapsedTime(start).TotalSeconds, total);
    }
}
