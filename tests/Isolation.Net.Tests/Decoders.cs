using Isolation.Net.Conntrack;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;
using Isolation.Net.Wireguard;

namespace Isolation.Net.Tests;

/// <summary>Every decoder of what the kernel sends.</summary>
internal static class Decoders
{
    internal delegate void Decoder(ReadOnlySpan<byte> bytes);

    internal static (string Name, Decoder Decode)[] All { get; } =
    [
        ("link", b => Link.Read(b)), ("address", b => Address.Read(b)), ("route", b => Routing.Route.Read(b)), ("rule", b => Rule.Read(b)),
        ("neighbour", b => Neighbour.Read(b)), ("nexthop", b => Nexthop.Read(b)),
        ("qdisc", b => Qdisc.Read(b)), ("class", b => TcClass.Read(b)), ("filter", b => TcFilter.Read(b)),
        .. Enumerable.Range(0, 24).Select(m => ($"nft {m}", (Decoder)(b => NftMonitor.Read((ushort)(10 << 8 | m), b)?.ToString()))),
        .. Enumerable.Range(16, 100).Select(m => ($"route {m}", (Decoder)(b => RouteMonitor.Read((ushort)m, b)?.ToString()))),
        ("ack", b => ExtendedAck.Read(b, 0x200, b, NetlinkProtocol.Route)),
        ("capped ack", b => ExtendedAck.Read(b, 0x300, b, NetlinkProtocol.Netfilter)),
        ("connection", b => ConntrackEntry.Read(NftSocket.Attributes(b)).ToString()),
        ("wireguard", b => new WireguardDevice(0).With(WireguardSocket.Attributes(b)).ToString()),
        ("elements", b => NftElement.Join(new NftSet(NftFamily.Inet, "t", "s", NftType.IPv4Address) { Interval = true }, Elements(b))),
    ];

    internal static List<(NftElement, bool)> Elements(ReadOnlySpan<byte> bytes)
    {
        var list = new List<(NftElement, bool)>();
        NftElement.Read(new AttributeReader(bytes), list);
        return list;
    }

    /// <summary>The bodies of well-formed messages, from which mutations begin.</summary>
    internal static byte[][] Seeds()
    {
        var writer = new NetlinkWriter();
        RouteObject[] objects =
        [
            new VethLink { Name = "a", Mtu = 1400, Peer = new Link { Name = "b" }, Alias = "x", Group = 3 },
            new BridgeLink { Name = "br", Stp = true, AgeingTime = TimeSpan.FromSeconds(3) },
            new VlanLink { Name = "v", Id = 7, Protocol = 0x8100 },
            new VxlanLink { Name = "x", Id = 9, Remote = System.Net.IPAddress.Loopback }, new MacvlanLink { Mode = MacvlanMode.Bridge },
            Address.Parse(2, "10.0.0.1/24"), Address.Parse(2, "fd00::1/64") with { ValidLifetime = TimeSpan.FromSeconds(9) },
            new Route(Routing.Route.DefaultIPv4)
            {
                Multipath = [new RouteHop(System.Net.IPAddress.Loopback, 2, 3), new RouteHop(System.Net.IPAddress.IPv6Loopback, 2)],
                Metrics = new RouteMetrics { Mtu = 1300 }
            },
            new Rule { Mark = 3, MarkMask = 7, Source = System.Net.IPNetwork.Parse("10.0.0.0/8") },
            new Neighbour(2, System.Net.IPAddress.Loopback), new Nexthop(4) { Group = [new NexthopMember(1, 2)] },
            new TbfQdisc(2), new HtbQdisc(2), new HtbClass(2, new TcHandle(1), new TcHandle(1, 2)),
            new NetemQdisc(2) { Loss = 0.1, Rate = BitRate.FromMegabits(3), Reorder = 0.2 },
            new FqCodelQdisc(2) { Flows = 3 }, new PrioQdisc(2),
            new U32Filter(2, TcHandle.Root) { Matches = [new U32Match(1, 2, 4)], Actions = [new MirredAction(3),
                new GactAction(TcVerdict.Drop), new PoliceAction(BitRate.FromMegabits(1), 9000), new SkbeditAction { Mark = 2 }] },
            new FlowerFilter(2, TcHandle.Root)
            {
                Protocol = 0x800,
                Source = System.Net.IPNetwork.Parse("10.0.0.0/8"),
                IPProtocol = 6,
                DestinationPort = 80
            }, new BpfFilter(2, TcHandle.Root) { Name = "x" },
        ];
        foreach (RouteObject subject in objects)
            subject.Write(writer, RouteVerb.Add);
        var table = new NftTable(NftFamily.Inet, "t") { Comment = "c" };
        var chain = new NftChain(table, "c") { Hook = NftHook.Input, Devices = [] };
        var set = new NftSet(table, "s", NftType.IPv4Address) { Interval = true };
        NftSet timed = new(table, "timed", NftType.IPv4Address) { HasTimeouts = true, Timeout = TimeSpan.FromSeconds(9) };
        NftBatch batch = new NftBatch().Add(table).Add(chain).Add(set).Add(set.Elements("10.0.0.0/8", "192.0.2.1")).Add(timed)
            .Add(timed.Elements(new[] { timed.Element("10.0.0.1") with { Timeout = TimeSpan.FromSeconds(3), Comment = "x" } }))
            .Add(new NftRule(chain).MatchAny(NftField.TcpDestinationPort, 1, "3-4").Match(NftField.ConnectionState, "new")
                .Limit(3, TimeSpan.FromSeconds(1)).Quota(9).Log("x").Counter().Reject())
            .Add(new NftRule(chain).MatchSet(set, NftField.IPv4Source).Dnat(System.Net.IPAddress.Loopback, 80));
        var seeds = new List<byte[]>();
        var peer = new WireguardPeer(WireguardKey.GeneratePrivate())
        {
            Endpoint = new System.Net.IPEndPoint(System.Net.IPAddress.IPv6Loopback, 7),
            AllowedIPs = [System.Net.IPNetwork.Parse("10.0.0.0/8")],
            PersistentKeepalive = TimeSpan.FromSeconds(3)
        };
        writer.Begin(30, 0, [0, 1, 0, 0]);
        new WireguardDevice(2) { PrivateKey = WireguardKey.GeneratePrivate(), ListenPort = 9 }.Write(writer);
        using (writer.Nested(8))
            peer.Write(writer, isFirst: true);
        writer.End();
        writer.Begin(1 << 8, 0, [2, 0, 0, 0]);
        Udp("192.0.2.1", "192.0.2.2").Write(writer, 1);
        Udp("10.0.0.2", "192.0.2.1").Write(writer, 2);
        writer.PutBigEndianUInt32(3, 0x28);
        writer.End();
        foreach (byte[] all in new[] { writer.Written.ToArray(), batch.Writer.Written.ToArray() })
        {
            ReadOnlySpan<byte> rest = all;
            while (!rest.IsEmpty)
                seeds.Add(NetlinkSocket.Next(ref rest)[16..].ToArray());
        }

        return [.. seeds];
    }

    private static ConntrackTuple Udp(string from, string to) =>
        new(System.Net.IPAddress.Parse(from), System.Net.IPAddress.Parse(to), 17) { SourcePort = 4000, DestinationPort = 53 };
}
