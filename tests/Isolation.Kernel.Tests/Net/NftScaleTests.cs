using System.Net;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Nftables.Expressions;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Large rulesets, and those that others change meanwhile.</summary>
public class NftScaleTests
{
    private static readonly NftTable s_table = new(NftFamily.Inet, "t");

    /// <summary>As nft(8) does: many messages, one datagram, one transaction. A monitor cannot keep up with that, says so, and goes
    /// on.</summary>
    [Fact]
    public async Task A_batch_of_two_hundred_thousand_elements_and_twenty_thousand_rules_is_one_transaction()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        using NftMonitor monitor = NftMonitor.Open(network.Namespace);
        int elements = TestNetwork.Rounds(200_000), rules = TestNetwork.Rounds(20_000);
        var set = new NftSet(s_table, "s", NftType.IPv4Address);
        var chain = new NftChain(s_table, "c");
        nft.Socket.Timeout = TimeSpan.FromMinutes(2);
        NftBatch Whole()
        {
            NftBatch batch = new NftBatch().Add(s_table).Add(set).Add(chain)
                .Add(set.Elements(Enumerable.Range(0, elements)
                    .Select(i => (NftValue)new IPAddress([10, (byte)(i >> 16), (byte)(i >> 8), (byte)i]))));
            for (int i = 0; i < rules; i++)
                batch.Add(new NftRule(chain).Match(NftField.TcpDestinationPort, i + 1).Accept());
            return batch;
        }

        // refused at its end, it has done nothing
        NetlinkException e = Assert.Throws<NetlinkException>(() => nft.Execute(Whole().Create(s_table)));
        Assert.Equal(Errno.EEXIST, e.Errno);
        Assert.Empty(nft.ReadTables());
        nft.Execute(Whole());
        Assert.Equal((elements, rules), (nft.ReadElements(set).Length, nft.ReadRules(s_table).Length));

        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(2));
        NetlinkException lost = await Assert.ThrowsAsync<NetlinkException>(async () =>
        {
            await foreach (NftEvent _ in monitor.ReadAllAsync(stop.Token))
            {
            }
        });
        Assert.Equal(Errno.ENOBUFS, lost.Errno);
        nft.Execute(new NftBatch().Add(new NftTable(NftFamily.Inet, "after")));
        await foreach (NftEvent seen in monitor.ReadAllAsync(stop.Token))
        {
            if (seen.Subject is NftTable { Table: "after" })
                break;
        }
    }

    [Fact]
    public async Task A_reader_that_stops_loses_nothing_for_the_next_one()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        using NftMonitor monitor = NftMonitor.Open(network.Namespace);
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var seen = new List<string>();
        for (int round = 0; round < 3; round++)
        {
            NftBatch batch = new();
            for (int i = 0; i < 3; i++)
                batch.Add(new NftTable(NftFamily.Inet, $"t{round}{i}"));
            nft.Execute(batch);
            for (int reader = 0; reader < 3; reader++)
            {
                await foreach (NftEvent e in monitor.ReadAllAsync(stop.Token))
                {
                    if (e.Subject is not NftTable table)
                        continue;
                    seen.Add(table.Table);
                    break;
                }
            }
        }

        Assert.Equal(["t00", "t01", "t02", "t10", "t11", "t12", "t20", "t21", "t22"], seen);
    }

    [Fact]
    public async Task A_ruleset_is_read_as_it_was_at_one_moment()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket reader = NftSocket.Open(network.Namespace), writer = NftSocket.Open(network.Namespace);
        var set = new NftSet(s_table, "s", NftType.Service);
        var chain = new NftChain(s_table, "c");
        // Each transaction leaves as many rules as elements.
        NftBatch Of(int count)
        {
            NftBatch batch = new NftBatch().Add(s_table).Delete(s_table).Add(s_table).Add(set).Add(chain)
                .Add(set.Elements(Enumerable.Range(1, count).Select(i => (NftValue)i)));
            for (int i = 0; i < count; i++)
                batch.Add(new NftRule(chain).Counter());
            return batch;
        }

        writer.Execute(Of(1));
        using var stop = new CancellationTokenSource();
        Task writing = Task.Run(() =>
        {
            for (int i = 1; !stop.IsCancellationRequested; i = (i % 20) + 1)
            {
                writer.Execute(Of(i));
                Thread.Sleep(3);
            }
        });
        var counts = new HashSet<int>();
        for (int round = 0; round < TestNetwork.Rounds(200); round++)
        {
            NftTableContent table = reader.ReadRuleset().Tables.Single();
            Assert.Equal(table.Sets.Single().Elements.Length, table.Chains.Single().Rules.Length);
            counts.Add(table.Chains.Single().Rules.Length);
        }

        await stop.CancelAsync();
        await writing;
        Assert.True(counts.Count > 1, "nothing changed meanwhile");
    }

    /// <summary>nft(8): "ct state established,related" is a mask; a set's element of both would be what no packet has.</summary>
    [Fact]
    public void Any_of_several_flags_is_a_mask_whichever_way_they_are_given()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var chain = new NftChain(s_table, "c") { Hook = NftHook.Output };
        nft.Execute(new NftBatch().Add(s_table).Add(chain)
            .Add(new NftRule(chain).MatchAny(NftField.ConnectionState, "established,related").Counter())
            .Add(new NftRule(chain).MatchAny(NftField.ConnectionState, "established", "related").Counter())
            .Add(new NftRule(chain).MatchAny(NftField.ConnectionStatus, "snat", "seen-reply").Counter())
            .Add(new NftRule(chain).MatchAny(NftField.ConnectionState, "invalid,untracked").Counter()));
        NetworkNamespace.Run(network.Namespace, () =>
        {
            using var listener = new TcpListener(IPAddress.Loopback, 0);
            listener.Start();
            using var client = new TcpClient();
            client.Connect((IPEndPoint)listener.LocalEndpoint);
            using TcpClient server = listener.AcceptTcpClient();
            client.GetStream().Write("hi"u8);
            server.GetStream().ReadByte();
        });
        ulong[] packets = [.. nft.ReadRules(s_table).Select(r => r.Expressions.OfType<CounterExpression>().Single().Packets)];
        Assert.True(packets[0] > 0 && packets[0] == packets[1] && packets[2] > 0, string.Join(' ', packets));
        Assert.Equal(0UL, packets[3]);
        if (Host.FindTool("nft") is not null)
            Assert.Contains("ct state established,related counter", network.Run("nft", "list", "ruleset"));
    }

    /// <summary>tc-tbf(8): a packet that is longer than the burst never passes. lo has packets of up to 64 KiB.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void A_rate_lets_the_longest_packet_of_its_link_pass(bool egress)
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        BitRate rate = BitRate.FromMegabits(10);
        new RateLimit { Egress = egress ? rate : null, Ingress = egress ? null : rate }.Apply("lo", network.Namespace);
        NetworkNamespace.Run(network.Namespace, () =>
        {
            using var receiver = new UdpClient(new IPEndPoint(IPAddress.Loopback, 0));
            receiver.Client.ReceiveTimeout = 10_000;
            receiver.Client.ReceiveBufferSize = 1 << 20;
            using var sender = new UdpClient();
            sender.Send(new byte[65_000], (IPEndPoint)receiver.Client.LocalEndPoint!);
            IPEndPoint? from = null;
            Assert.Equal(65_000, receiver.Receive(ref from).Length);
        });
    }
}
