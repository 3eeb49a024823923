using System.Globalization;
using System.Net;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Linux;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Random queueing disciplines, classes and filters: made by this library on one link and by tc(8) on another,
/// they are shown alike by tc and read alike here.</summary>
public class TrafficControlAgreementTests
{
    private const int Ours = 100, Theirs = 200;

    private static Gen<T?> Maybe<T>(Gen<T> value) where T : struct => Gen.OneOf(value.Select(v => (T?)v), Gen.Constant((T?)null));

    private static Gen<uint> Number(int least, int most) => Gen.Choose(least, most).Select(n => (uint)n);

    private static readonly Gen<BitRate> s_rate = Gen.OneOf(Gen.Choose(64, 900).Select(n => BitRate.FromKilobits(n * 8)),
        Gen.Choose(1, 900).Select(n => BitRate.FromMegabits(n)), Gen.Choose(1, 90).Select(n => BitRate.FromGigabits(n)));

    private static string Text(IFormattable number) => number.ToString(null, CultureInfo.InvariantCulture);

    /// <summary>A discipline, and the words that tell tc to make the same.</summary>
    private static readonly (string Kind, Func<int, Qdisc> Probe, Gen<(Func<int, Qdisc> Make, string[] Words)> Random)[] s_qdiscs =
    [
        ("pfifo", l => new PfifoQdisc(l),
            Number(1, 5000).Select(n => ((Func<int, Qdisc>)(l => new PfifoQdisc(l) { LimitPackets = n }), new[] { "limit", Text(n) }))),
        ("bfifo", l => new BfifoQdisc(l),
            Number(1500, 500_000).Select(n => ((Func<int, Qdisc>)(l => new BfifoQdisc(l) { LimitBytes = n }), new[] { "limit", Text(n) }))),
        ("tbf", l => new TbfQdisc(l),
            from rate in s_rate from burst in Number(2000, 1_000_000) from limit in Number(3000, 5_000_000)
            from peak in Gen.Elements(true, false)
            select ((Func<int, Qdisc>)(l => new TbfQdisc(l)
            {
                Rate = rate,
                Burst = burst,
                Limit = limit,
                PeakRate = peak ? new BitRate(rate.BitsPerSecond * 2) : null,
                PeakBurst = peak ? 3000 : null
            }),
                (string[])["rate", rate.ToString(), "burst", Text(burst), "limit", Text(limit),
                    .. peak ? new[] { "peakrate", new BitRate(rate.BitsPerSecond * 2).ToString(), "mtu", "3000" } : []])),
        ("htb", l => new HtbQdisc(l),
            from c in Number(0, 0xfff) from q in Number(1, 2000)
            select ((Func<int, Qdisc>)(l => new HtbQdisc(l) { DefaultClass = c, DirectQueueLength = q }),
                new[] { "default", c.ToString("x"), "direct_qlen", Text(q) })),
        ("prio", l => new PrioQdisc(l),
            Gen.Choose(3, 16).Select(n => ((Func<int, Qdisc>)(l => new PrioQdisc(l) { Bands = n }), new[] { "bands", Text(n) }))),
        ("fq_codel", l => new FqCodelQdisc(l),
            from limit in Number(10, 10_000) from target in Number(1000, 50_000) from interval in Number(50_000, 500_000)
            from ecn in Gen.Elements(true, false) from quantum in Number(300, 3000) from flows in Number(1, 2000)
            select ((Func<int, Qdisc>)(l => new FqCodelQdisc(l)
            {
                LimitPackets = limit,
                TargetMicroseconds = target,
                IntervalMicroseconds = interval,
                Ecn = ecn,
                Quantum = quantum,
                Flows = flows
            }),
                new[] { "limit", Text(limit), "target", Text(target) + "us", "interval", Text(interval) + "us", ecn ? "ecn" : "noecn",
                    "quantum", Text(quantum), "flows", Text(flows) })),
        ("netem", l => new NetemQdisc(l),
            from delay in Gen.Choose(1, 1000) from jitter in Gen.Choose(0, 50) from loss in Gen.Choose(0, 100)
            from duplicate in Gen.Choose(0, 100) from corrupt in Gen.Choose(0, 100) from limit in Number(1, 10_000)
                from rate in Maybe(s_rate)
            select ((Func<int, Qdisc>)(l => new NetemQdisc(l)
            {
                Delay = TimeSpan.FromMilliseconds(delay),
                Jitter = TimeSpan.FromMilliseconds(jitter),
                Loss = loss / 100.0,
                Duplicate = duplicate / 100.0,
                Corrupt = corrupt / 100.0,
                LimitPackets = limit,
                Rate = rate
            }),
                (string[])["delay", $"{delay}ms", $"{jitter}ms", "loss", $"{loss}%", "duplicate", $"{duplicate}%", "corrupt", $"{corrupt}%",
                    "limit", Text(limit), .. rate is { } r ? new[] { "rate", r.ToString() } : []])),
    ];

    [Fact]
    public void Random_queueing_disciplines_are_what_tc_makes()
    {
        Host.NeedsRoot();
        Host.NeedsTool("tc");
        var usable = s_qdiscs.Where(q => TestNetwork.HasQdisc(q.Probe)).ToArray();
        Assert.Contains(usable, q => q.Kind == "tbf");
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(80)), Prop.ForAll(Arb.From(
            from kind in Gen.Elements(usable)
            from random in kind.Random
            select (kind.Kind, random.Make, random.Words)), pair =>
        {
            using TestNetwork network = TwoLinks();
            Qdisc wanted = pair.Make(Ours) with { Handle = new TcHandle(1) };
            network.Route.Add(wanted);
            network.Run("tc", ["qdisc", "add", "dev", "theirs", "root", "handle", "1:", pair.Kind, .. pair.Words]);
            Assert.Equal(Shown(network, "qdisc", "theirs"), Shown(network, "qdisc", "ours"));
            Qdisc read = network.Route.ReadQdiscs(Ours).Single(q => q.Handle == new TcHandle(1));
            Assert.Equal(network.Route.ReadQdiscs(Theirs)
                .Single(q => q.Handle == new TcHandle(1)) with
            { LinkIndex = Ours, Statistics = null }, read with { Statistics = null });
            // The kernel keeps times of 64 ns, not bytes, and for fq_codel of 1024 ns.
            Assert.Empty(Meaning.Differences(wanted, read, "Burst", "PeakBurst", "TargetMicroseconds", "IntervalMicroseconds"));
            if (read is TbfQdisc tbf)
                Assert.InRange(tbf.Burst, ((TbfQdisc)wanted).Burst - (tbf.Rate.BytesPerSecond / 10_000_000) - 2,
                    ((TbfQdisc)wanted).Burst + 2d);
            network.Route.Delete(read);
            Assert.DoesNotContain(network.Route.ReadQdiscs(Ours), q => q.Handle == new TcHandle(1));
        }));
    }

    [Fact]
    public void Random_classes_are_what_tc_makes()
    {
        Host.NeedsRoot();
        Host.NeedsTool("tc");
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(50)), Prop.ForAll(Arb.From(
            from rate in s_rate
            from more in Gen.Choose(1, 4)
            from burst in Number(2000, 100_000)
            from ceilBurst in Number(2000, 100_000)
            from quantum in Number(1500, 100_000)
            from priority in Number(0, 7)
            select new HtbClass(Ours, new TcHandle(1), new TcHandle(1, 0x10))
            {
                Rate = rate,
                Ceil = new BitRate(rate.BitsPerSecond * more),
                Burst = burst,
                CeilBurst = ceilBurst,
                Quantum = quantum,
                Priority = priority
            }),
            wanted =>
        {
            using TestNetwork network = TwoLinks();
            network.Route.Add(new HtbQdisc(Ours) { Handle = new TcHandle(1) });
            network.Route.Add(new HtbQdisc(Theirs) { Handle = new TcHandle(1) });
            network.Route.Add(wanted);
            network.Run("tc", "class", "add", "dev", "theirs", "parent", "1:", "classid", "1:10", "htb", "rate", wanted.Rate.ToString(),
                "ceil", wanted.Ceil!.Value.ToString(),
                "burst", Text(wanted.Burst!.Value), "cburst", Text(wanted.CeilBurst!.Value), "quantum", Text(wanted.Quantum!.Value), "prio",
                Text(wanted.Priority));
            // tc(8) rounds bursts down to whole microseconds; here they are exact to the kernel's 64 ns.
            static string WithoutBursts(string shown) =>
                System.Text.RegularExpressions.Regex.Replace(shown, "burst [0-9]+[KMG]?b", "burst");
            Assert.Equal(WithoutBursts(Shown(network, "class", "theirs")), WithoutBursts(Shown(network, "class", "ours")));
            var read = (HtbClass)Assert.Single(network.Route.ReadClasses(Ours));
            var theirs = (HtbClass)network.Route.ReadClasses(Theirs).Single();
            Assert.Equal(theirs with { LinkIndex = Ours, Statistics = null, Burst = read.Burst, CeilBurst = read.CeilBurst },
                read with { Statistics = null });
            Assert.InRange(read.Burst!.Value, wanted.Burst!.Value - (wanted.Rate.BytesPerSecond * 64 / 1e9) - 1, wanted.Burst.Value + 1d);
            Assert.InRange(read.CeilBurst!.Value, wanted.CeilBurst!.Value - (wanted.Ceil!.Value.BytesPerSecond * 64 / 1e9) - 1,
                wanted.CeilBurst.Value + 1d);
            Assert.Empty(Meaning.Differences(wanted with { Parent = TcHandle.Root }, read, "Burst", "CeilBurst"));
            network.Route.Change(wanted with { Rate = BitRate.FromMegabits(3), Ceil = BitRate.FromMegabits(4) });
            Assert.Equal(BitRate.FromMegabits(3), ((HtbClass)network.Route.ReadClasses(Ours)[0]).Rate);
            network.Route.Delete(wanted);
            Assert.Empty(network.Route.ReadClasses(Ours));
        }));
    }

    public static TheoryData<string> Filters => ["u32", "u32-redirect", "matchall", "flower", "bpf", "cgroup", "police", "skbedit", "drop"];

    [Theory]
    [MemberData(nameof(Filters))]
    public void Filters_are_what_tc_makes(string kind)
    {
        Host.NeedsRoot();
        Host.NeedsTool("tc");
        using TestNetwork network = TwoLinks();
        Func<int, Qdisc> qdisc = kind == "cgroup" ? l => new HtbQdisc(l) { Handle = new TcHandle(0xffff) } : l => new ClsactQdisc(l);
        TcHandle parent = kind == "cgroup" ? new TcHandle(0xffff) : TcHandle.ClsactIngress;
        string[] place = kind == "cgroup" ? ["parent", "ffff:"] : ["ingress"];
        network.Route.Add(qdisc(Ours));
        network.Route.Add(qdisc(Theirs));
        IPNetwork source = IPNetwork.Parse("10.1.0.0/16"), destination = IPNetwork.Parse("192.0.2.0/24");
        byte[] classic = [0x06, 0, 0, 0, 0xff, 0xff, 0xff, 0xff]; // ret #-1
        int peer = network.Route.GetLink("peer").Index;
        (TcFilter wanted, string words) = kind switch
        {
            "u32" => (new U32Filter(Ours, parent)
            {
                Priority = 5,
                Protocol = 0x800,
                Matches = [U32Filter.Source(source), U32Filter.Destination(destination)],
                ClassId = new TcHandle(1, 0x10)
            },
                "protocol ip prio 5 u32 match ip src 10.1.0.0/16 match ip dst 192.0.2.0/24 classid 1:10"),
            "u32-redirect" => (new U32Filter(Ours, parent) { Priority = 1, Actions = [new MirredAction(peer)] },
                "protocol all prio 1 u32 match u32 0 0 action mirred egress redirect dev peer"),
            "matchall" => (new MatchallFilter(Ours, parent) { Priority = 7, Actions = [new MirredAction(peer, Mirror: true)] },
                "protocol all prio 7 matchall action mirred egress mirror dev peer"),
            "flower" => ((TcFilter)new FlowerFilter(Ours, parent)
            {
                Priority = 3,
                Protocol = 0x800,
                Source = source,
                Destination = destination,
                IPProtocol = 6,
                DestinationPort = 443,
                SourcePort = 1000,
                Actions = [new GactAction(TcVerdict.Ok)],
            }, "protocol ip prio 3 flower src_ip 10.1.0.0/16 dst_ip 192.0.2.0/24 ip_proto tcp dst_port 443 src_port 1000 action pass"),
            "bpf" => (new BpfFilter(Ours, parent) { Priority = 2, ClassicProgram = [.. classic], ClassId = new TcHandle(1, 1) },
                "protocol all prio 2 bpf bytecode 1,6~0~0~4294967295 flowid 1:1"),
            "cgroup" => (new CgroupFilter(Ours, parent) { Priority = 9, Protocol = 0x800 }, "protocol ip prio 9 handle 1 cgroup"),
            "police" => (new U32Filter(Ours, parent) { Priority = 1, Actions = [new PoliceAction(BitRate.FromMegabits(8), 20_000)] },
                "protocol all prio 1 u32 match u32 0 0 action police rate 8mbit burst 20000 conform-exceed drop/pass"),
            "skbedit" => (new U32Filter(Ours, parent) { Priority = 1, Actions = [new SkbeditAction { Priority = 0x10003, Mark = 7 }] },
                "protocol all prio 1 u32 match u32 0 0 action skbedit priority 1:3 mark 7"),
            _ => (new U32Filter(Ours, parent) { Priority = 1, Actions = [new GactAction(TcVerdict.Drop)] },
                "protocol all prio 1 u32 match u32 0 0 action drop"),
        };
        Exception? refused = Record.Exception(() => network.Route.Add(wanted));
        Assert.SkipWhen(refused is NetlinkException { Errno: Errno.ENOENT }, $"the kernel has no filter or action {kind}");
        Assert.Null(refused);

        network.Run("tc", ["filter", "add", "dev", "theirs", .. place, .. words.Split(' ').Select(w => w.Replace('~', ' '))]);
        Assert.Equal(Shown(network, "filter", "theirs", place), Shown(network, "filter", "ours", place));
        TcFilter read = Assert.Single(network.Route.ReadFilters(Ours, parent));
        TcFilter theirs = Assert.Single(network.Route.ReadFilters(Theirs, parent));
        if (kind == "police")
        {
            // tc(8) rounds the burst down to whole microseconds, and the mtu to cells of its table.
            Assert.Equal((PoliceAction)theirs.Actions[0] with { Burst = 0, Mtu = 0 },
                (PoliceAction)read.Actions[0] with { Burst = 0, Mtu = 0 });
            Assert.InRange(((PoliceAction)read.Actions[0]).Burst, 19_998u, 20_001u);
            theirs = theirs with { Actions = read.Actions };
        }

        Assert.Equal(theirs with { LinkIndex = Ours, Statistics = null }, read with { Statistics = null });
        Assert.Empty(Meaning.Differences(wanted, read, "Handle", "Actions"));
        Assert.Equal(wanted.Actions.Select(a => a.GetType()), read.Actions.Select(a => a.GetType()));
        network.Route.Delete(wanted with { Handle = TcHandle.None });
        Assert.Empty(network.Route.ReadFilters(Ours, parent));
    }

    [Fact]
    public void What_went_through_is_counted_as_tc_counts_it()
    {
        Host.NeedsRoot();
        Host.NeedsTool("tc");
        using TestNetwork network = TwoLinks();
        network.Route.Add(Address.Parse(Ours, "10.0.0.1/24"));
        network.Route.Add(new TbfQdisc(Ours) { Rate = BitRate.FromMegabits(1), Handle = new TcHandle(1) });
        network.Route.Add(new Neighbour(Ours, IPAddress.Parse("10.0.0.2"))
        {
            Address = System.Net.NetworkInformation.PhysicalAddress.Parse("02:00:00:00:00:02")
        });
        NetworkNamespace.Run(network.Namespace, () =>
        {
            using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.InterNetwork,
                System.Net.Sockets.SocketType.Dgram, System.Net.Sockets.ProtocolType.Udp);
            for (int i = 0; i < 20; i++)
                socket.SendTo(new byte[100], new IPEndPoint(IPAddress.Parse("10.0.0.2"), 9));
        });
        TcStatistics statistics = network.Route.ReadQdiscs(Ours).Single(q => q.Handle == new TcHandle(1)).Statistics!;
        System.Text.Json.JsonElement json = network.Json("tc", "-s", "-json", "qdisc", "show", "dev", "ours")[0];
        Assert.Equal((20UL, 20UL * 142), (statistics.Packets, statistics.Bytes));
        Assert.Equal((IpTool.Number(json, "packets"), IpTool.Number(json, "bytes")), ((long)statistics.Packets, (long)statistics.Bytes));
    }

    private static TestNetwork TwoLinks()
    {
        var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "ours", Index = Ours, Peer = new Link { Name = "peer" } });
        network.Route.Add(new VethLink { Name = "theirs", Index = Theirs, Peer = new Link { Name = "peer2" } });
        foreach (string name in new[] { "ours", "peer", "theirs", "peer2" })
            network.Route.Change(new Link { Name = name, Up = true, AddressGeneration = AddressGeneration.None });
        return network;
    }

    // Counters of actions are numbered through the namespace.
    private static string Shown(TestNetwork network, string what, string link,
        params string[] place) => string.Join('\n', network.Run("tc", ["-d", what, "show", "dev", link, .. place]).Split('\n')
        .Select(l => System.Text.RegularExpressions.Regex.Replace(l.Replace("dev " + link, "dev LINK"),
            "index [0-9]+|seed [0-9]+|police 0x[0-9a-f]+|id [0-9]+ name|refcnt [0-9]+", "")).Select(l => l.TrimEnd()));
}
