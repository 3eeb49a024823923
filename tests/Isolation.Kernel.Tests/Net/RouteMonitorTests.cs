using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Monitors, batches and what else needs a kernel.</summary>
public class RouteMonitorTests
{
    [Fact]
    public async Task A_monitor_tells_what_happens_from_its_opening_on()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using RouteMonitor monitor = RouteMonitor.Open(RouteGroups.Links | RouteGroups.Addresses | RouteGroups.Routes, network.Namespace);
        using NftMonitor rules = NftMonitor.Open(network.Namespace);
        network.Route.Add(new VethLink { Name = "v0", Index = 70, Peer = new Link { Name = "v1" } });
        network.Route.SetUp("v0");
        network.Route.Add(Address.Parse(70, "10.0.0.1/24"));
        network.Route.Delete(new Link { Name = "v0" });
        var seen = new List<string>();
        using var stop = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        await foreach (RouteEvent e in monitor.ReadAllAsync(stop.Token))
        {
            seen.Add($"{(e.Deleted ? "-" : "+")}{(e.Subject as Link)?.Name ?? e.Subject.ToString()}");
            if (e is { Deleted: true, Subject: Link { Name: "v0" } })
                break;
        }

        Assert.Contains("+v0", seen);
        Assert.Contains("+10.0.0.1/24", seen);
        Assert.Contains("-v0", seen);
        Assert.Contains(seen, s => s.StartsWith("+10.0.0.0/24 dev 70") || s.StartsWith("+local"));

        using NftSocket nft = NftSocket.Open(network.Namespace);
        var table = new NftTable(NftFamily.Inet, "t");
        var set = new NftSet(table, "s", NftType.Service);
        nft.Execute(new NftBatch().Add(table).Add(set).Add(set.Elements(80, 81)));
        nft.Execute(new NftBatch().Delete(table));
        var changes = new List<NftEvent>();
        await foreach (NftEvent e in rules.ReadAllAsync(stop.Token))
        {
            changes.Add(e);
            if (e is { Deleted: true, Subject: NftTable })
                break;
        }

        Assert.Contains(changes, c => c is { Deleted: false, Subject: NftTable { Table: "t" } });
        Assert.Contains(changes, c => c is { Deleted: false, Subject: NftSet { Name: "s" } });
        Assert.Equal(2, changes.Where(c => c is { Deleted: false, Elements.Set.Name: "s" }).Sum(c => c.Elements!.Items.Length));
    }

    [Fact]
    public async Task A_monitor_that_is_closed_or_cancelled_ends()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        var leaks = new Leaks();
        RouteMonitor monitor = RouteMonitor.Open(RouteGroups.All, network.Namespace);
        Task<int> reading = Task.Run(async () =>
        {
            int count = 0;
            await foreach (RouteEvent _ in monitor.ReadAllAsync())
                count++;
            return count;
        });
        await Task.Delay(50);
        monitor.Dispose();
        Assert.Equal(0, await reading.WaitAsync(TimeSpan.FromSeconds(60)));
        using RouteMonitor other = RouteMonitor.Open(RouteGroups.Links, network.Namespace);
        using var stop = new CancellationTokenSource(50);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (RouteEvent _ in other.ReadAllAsync(stop.Token))
            {
            }
        });
        other.Dispose();
        leaks.AssertNone();
    }

    [Fact]
    public void A_batch_tells_each_failure_and_does_the_rest()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        RouteBatch batch = network.Route.CreateBatch();
        for (int i = 0; i < 200; i++)
            batch.Add(new VethLink { Name = $"v{i % 150}", Peer = new Link { Name = $"w{i}" } });
        var failures = batch.Send();
        Assert.Equal(Enumerable.Range(150, 50), failures.Select(f => f.Index));
        Assert.All(failures,
            f => Assert.Contains($"Cannot add link \"v{f.Index % 150}\": RTM_NEWLINK failed with EEXIST", f.Error.Message));
        Assert.Equal(301, network.Route.ReadLinks(statistics: false).Length);
    }

    [Fact]
    public void Names_settings_and_devices_of_a_namespace_are_reached_from_outside()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "v0", Index = 70, Peer = new Link { Name = "v1" } });
        network.Route.Add(new AlternativeName(70, "a-name-that-is-longer-than-fifteen"));
        Assert.Equal(70, network.Route.GetLink("a-name-that-is-longer-than-fifteen").Index);
        Assert.Equal(["a-name-that-is-longer-than-fifteen"], network.Route.GetLink(70).AlternativeNames);
        network.Route.Change(new Link { Index = 70, Name = "renamed", Mtu = 1300, Alias = "a comment" });
        Assert.Equal(("renamed", 1300, "a comment"),
            (network.Route.GetLink(70).Name, network.Route.GetLink(70).Mtu, network.Route.GetLink(70).Alias));
        var sysctls = new NetworkSysctls(network.Namespace);
        sysctls.WriteOfLink("renamed", "ipv4", "forwarding", "1");
        Assert.Equal("1", sysctls.ReadOfLink("renamed", "ipv4", "forwarding"));
        Assert.Null(network.Route.FindLink("nosuch"));
        using (TunDevice tun = TunDevice.Create("tun%d", networkNamespace: network.Namespace))
        {
            Assert.Equal("tun0", tun.Name);
            Assert.IsType<TunLink>(network.Route.GetLink("tun0"));
            network.Route.Add(Address.Parse(network.Route.GetLink("tun0").Index, "10.8.0.1/24"));
            network.Route.SetUp("tun0");
            NetworkNamespace.Run(network.Namespace, () =>
            {
                using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork,
                    System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
                socket.SendTo("hello"u8, new System.Net.IPEndPoint(System.Net.IPAddress.Parse("10.8.0.2"), 9));
            });
            using var packets = new FileStream(tun.File, FileAccess.ReadWrite, bufferSize: 0);
            var packet = new byte[2000];
            int length;
            do
            {
                length = packets.Read(packet);
            }
            while (packet[0] >> 4 != 4);
            Assert.Equal("hello", System.Text.Encoding.ASCII.GetString(packet, length - 5, 5));
        }

        Assert.Null(network.Route.FindLink("tun0"));
        using TestNetwork other = new();
        network.Route.Change(new Link { Name = "v1", NetworkNamespace = other.Namespace });
        Assert.Null(network.Route.FindLink("v1"));
        Assert.NotNull(other.Route.FindLink("v1"));
        Assert.Equal(Isolation.Linux.Errno.ENETUNREACH,
            Assert.Throws<NetlinkException>(() => other.Route.GetRoute(System.Net.IPAddress.Parse("192.0.2.1"))).Errno);
        Assert.Equal(1, other.Route.GetRoute(System.Net.IPAddress.Loopback).LinkIndex);
    }
}
