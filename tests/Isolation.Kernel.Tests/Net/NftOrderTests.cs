using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Isolation.Net;
using Isolation.Net.Nftables;
using Isolation.Net.Nftables.Expressions;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Numbers that the kernel has in the machine's order: less and more are told by packets,
/// and by nft(8) in both directions.</summary>
public class NftOrderTests
{
    // Their order by the first byte in memory is another one than by value.
    private static readonly long[] s_numbers = [0, 1, 2, 99, 100, 255, 256, 257, 999, 1000, 1024, 65536, 70000];

    private static readonly NftTable s_table = new(NftFamily.Inet, "t");
    private static readonly NftSet s_set = new(s_table, "some", NftType.Mark) { Interval = true };

    /// <summary>What a rule says of a number, and what is meant by it.</summary>
    private static readonly (string Text, Func<NftRule, NftField, NftRule> Match, Func<long, bool> Holds)[] s_comparisons =
    [
        ("0-99", (r, f) => r.Match(f, NftValue.Range(0, 99)), n => n <= 99),
        ("2-256", (r, f) => r.Match(f, "2-256"), n => n is >= 2 and <= 256),
        ("!= 100-1000", (r, f) => r.Match(f, "100-1000", NftOperator.NotEqual), n => n is < 100 or > 1000),
        ("<", (r, f) => r.Match(f, 1000, NftOperator.LessThan), n => n < 1000),
        ("<=", (r, f) => r.Match(f, 256, NftOperator.LessOrEqual), n => n <= 256),
        (">", (r, f) => r.Match(f, 256, NftOperator.GreaterThan), n => n > 256),
        (">=", (r, f) => r.Match(f, 1000, NftOperator.GreaterOrEqual), n => n >= 1000),
        ("one", (r, f) => r.Match(f, 1000), n => n == 1000),
        ("not one", (r, f) => r.Match(f, 1000, NftOperator.NotEqual), n => n != 1000),
        ("some", (r, f) => r.MatchAny(f, 1, 256, 65536), n => n is 1 or 256 or 65536),
        ("some and ranges", (r, f) => r.MatchAny(f, "0-1", "99-256", 65536), n => n is <= 1 or (>= 99 and <= 256) or 65536),
    ];

    [Theory]
    [InlineData("meta skuid")]
    [InlineData("meta skgid")]
    public void The_user_and_group_of_a_socket_are_compared_by_value(string field)
    {
        Needs();
        Check(NftField.Parse(field), (chain, _) => new NftRule(chain), (network, port, number) => network.Run("setpriv",
            field.EndsWith("uid") ? "--reuid" : "--regid", number.ToString(CultureInfo.InvariantCulture),
            "--clear-groups", "bash", "-c", $"exec 3<>/dev/udp/127.0.0.1/{port} && echo hi >&3"));
    }

    [Theory]
    [InlineData("meta mark")]
    [InlineData("ct mark")]
    public void Marks_are_compared_by_value(string field)
    {
        Needs();
        Check(NftField.Parse(field), (chain, number) => field == "meta mark" ? new NftRule(chain).SetMark((uint)number)
            : new NftRule(chain).Add(new ImmediateExpression(NftRegister.First, NftData.Host((uint)number)),
                new CtExpression(Isolation.Linux.Abi.NfTables.NFT_CT_MARK, NftRegister.First, Sets: true)), Send);
    }

    [Fact]
    public void The_number_of_a_link_is_compared_by_value()
    {
        Needs();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var chain = new NftChain(s_table, "c") { Hook = NftHook.Output };
        foreach (long number in s_numbers.Where(n => n >= 99))
        {
            network.Route.Add(new VethLink { Name = "d", Index = (int)number, Peer = new Link { Name = "e" } });
            network.Route.SetUp("d");
            network.Route.SetUp("e");
            network.Route.Add(Address.Parse((int)number, "192.0.2.1/24"));
            Execute(nft, chain, NftField.OutputLink, new NftRule(chain));
            NetworkNamespace.Run(network.Namespace, () =>
            {
                using var client = new UdpClient();
                client.Send("hi"u8, new IPEndPoint(IPAddress.Parse("192.0.2.9"), 9));
            });
            AssertHeld(nft, number);
            network.Route.Delete(new Link { Name = "d" });
        }
    }

    [Fact]
    public void The_number_of_a_processor_is_compared_by_value()
    {
        Needs();
        Testing.Host.NeedsTool("taskset");
        Check(NftField.Processor, (chain, _) => new NftRule(chain), (network, port, number) => network.Run("taskset", "-c",
            number.ToString(CultureInfo.InvariantCulture), "bash", "-c", $"exec 3<>/dev/udp/127.0.0.1/{port} && echo hi >&3"),
            [0, .. Environment.ProcessorCount > 1 ? new long[] { 1 } : []]);
    }

    [Fact]
    public void Sets_and_maps_of_ranges_are_looked_up_by_value()
    {
        Needs();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var chain = new NftChain(s_table, "c") { Hook = NftHook.Output };
        var map = new NftSet(s_table, "map", NftType.Mark) { Interval = true, DataTypes = [NftType.Mark] };
        var parts = new NftSet(s_table, "parts", NftType.Mark, NftType.Service) { Interval = true };
        var verdicts = new NftSet(s_table, "verdicts", NftType.Mark) { Interval = true, Verdicts = true };
        using UdpClient receiver = Receiver(network, out int port);
        foreach (long number in s_numbers)
        {
            Start(nft, chain, batch => batch.Add(s_set).Add(map).Add(parts).Add(verdicts).Add(new NftChain(s_table, "low"))
                .Add(s_set.Elements("2-256", 1000)).Add(map.Elements([map.Element("2-256", 300), map.Element("257-70000", 5)]))
                .Add(parts.Elements(NftValue.Concatenate("2-256", $"{port}"), NftValue.Concatenate("999-1024", "1-1024")))
                .Add(verdicts.Elements([verdicts.Element("2-256", NftVerdict.Jump("low"))]))
                .Add(new NftRule(NftFamily.Inet, "t", "low").Counter())
                .Add(new NftRule(chain).SetMark((uint)number))
                .Add(new NftRule(chain).MatchSet(s_set, NftField.Mark).Counter())
                .Add(new NftRule(chain).MatchNotInSet(s_set, NftField.Mark).Counter())
                .Add(new NftRule(chain).MatchSet(parts, NftField.Mark, NftField.UdpDestinationPort).Counter())
                .Add(new NftRule(chain).VerdictMap(verdicts, NftField.Mark))
                .Add(new NftRule(chain).Add(new MetaExpression(Isolation.Linux.Abi.NfTables.NFT_META_MARK, NftRegister.First),
                    new ByteorderExpression(NftRegister.First, NftRegister.First, 4, 4),
                    new LookupExpression("map", NftRegister.First, NftRegister.First),
                    new MetaExpression(Isolation.Linux.Abi.NfTables.NFT_META_MARK, NftRegister.First, Sets: true)))
                .Add(new NftRule(chain).Match(NftField.Mark, 300).Counter())
                .Add(new NftRule(chain).Match(NftField.Mark, 5).Counter()));
            Send(network, port, number);
            bool low = number is >= 2 and <= 256;
            bool[] expected = [low, low || number == 1000, !(low || number == 1000), low, low, number is >= 257 and <= 70000];
            Assert.Equal(expected.Select(e => (number, e)), Counters(nft, "low").Concat(Counters(nft, "c")).Select(c => (number, c)));
        }
    }

    public static TheoryData<string> Fields => [.. NftField.All.Select(f => f.Name)];

    [Theory]
    [MemberData(nameof(Fields))]
    public void Whatever_compares_a_field_is_told_alike_here_and_by_nft_which_reads_both(string name)
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("nft");
        NftField field = NftField.Parse(name);
        (NftValue low, NftValue high, bool ordered) = ValuesOf(field.Type);
        var chain = new NftChain(s_table, "c");
        var single = new NftSet(s_table, "plain", field.Type);
        var ranges = new NftSet(s_table, "ranges", field.Type) { Interval = true };
        var map = new NftSet(s_table, "decides", field.Type) { Verdicts = true };
        var data = new NftSet(s_table, "gives", field.Type) { DataTypes = [NftType.Mark] };
        NftRule rule = new(chain);
        NftBatch batch = new NftBatch().Add(s_table).Add(chain).Add(single).Add(single.Elements(low, high))
            .Add(rule.Match(field, low).Accept()).Add(rule.Match(field, high, NftOperator.NotEqual).Accept())
            .Add(rule.MatchAny(field, low, high).Accept()).Add(rule.MatchSet(single, field).Accept());
        if (!ReferenceEquals(field, NftField.Processor))
        {
            batch.Add(map).Add(map.Elements([map.Element(low, NftVerdict.Accept), map.Element(high, NftVerdict.Drop)]))
                .Add(rule.VerdictMap(map, field))
                .Add(data).Add(data.Elements([data.Element(low, 258)]));
        }

        if (ordered)
        {
            foreach (NftOperator comparison in new[] { NftOperator.LessThan, NftOperator.LessOrEqual, NftOperator.GreaterThan,
                NftOperator.GreaterOrEqual })
                batch.Add(rule.Match(field, high, comparison).Accept());
            batch.Add(ranges).Add(ranges.Elements(NftValue.Range(low, high))).Add(rule.MatchSet(ranges, field).Accept())
                .Add(rule.Match(field, NftValue.Range(low, high)).Accept())
                .Add(rule.Match(field, NftValue.Range(low, high), NftOperator.NotEqual).Accept());
        }

        using TestNetwork ours = new(), copy = new(), printed = new();
        using NftSocket nft = NftSocket.Open(ours.Namespace);
        nft.Execute(batch);
        string shown = ours.Run("nft", "list", "ruleset"), read = nft.ReadRuleset().ToString();
        NftAgreementTests.Load(copy, shown);
        Assert.Equal(shown, copy.Run("nft", "list", "ruleset"));
        Assert.Equal(Normal(shown), Normal(read));
        NftAgreementTests.Load(printed, read);
        Assert.Equal(shown, printed.Run("nft", "list", "ruleset"));
        using NftSocket theirs = NftSocket.Open(copy.Namespace);
        Assert.Equal(Normal(read), Normal(theirs.ReadRuleset().ToString()));
    }

    [Fact]
    public void What_has_no_order_has_no_ranges()
    {
        var rule = new NftRule(NftFamily.Inet, "t", "c");
        Assert.Throws<FormatException>(() => rule.Match(NftField.InputInterface, NftValue.Range("a", "b")));
        Assert.Throws<FormatException>(() => rule.Match(NftField.SocketUserId, NftValue.Range(256, 2)));
        Assert.Equal("meta skuid 2-256", rule.Match(NftField.SocketUserId, NftValue.Range(2, 256)).ToString());
        var mixed = new NftSet(s_table, "mixed", NftType.Processor, NftType.Service);
        Assert.Contains("nft(8) reads integers only as the keys of a set, and alone",
            Assert.Throws<ArgumentException>(() => new NftBatch().Add(mixed)).Message);
    }

    private static void Needs()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("setpriv");
        Testing.Host.NeedsTool("bash");
    }

    /// <summary>Sends a packet for each number, and looks which comparisons held.</summary>
    private static void Check(NftField field, Func<NftChain, long, NftRule> first, Action<TestNetwork, int, long> send,
        long[]? numbers = null)
    {
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var chain = new NftChain(s_table, "c") { Hook = NftHook.Output };
        using UdpClient receiver = Receiver(network, out int port);
        foreach (long number in numbers ?? s_numbers)
        {
            Execute(nft, chain, field, first(chain, number));
            send(network, port, number);
            AssertHeld(nft, number);
        }
    }

    private static void Execute(NftSocket nft, NftChain chain, NftField field, NftRule first) => Start(nft, chain, batch =>
    {
        batch.Add(first.Match(NftField.UdpDestinationPort, 0, NftOperator.NotEqual));
        foreach (var comparison in s_comparisons)
            batch.Add(comparison.Match(new NftRule(chain).Match(NftField.TransportProtocol, "udp"), field).Counter());
    });

    private static void Start(NftSocket nft, NftChain chain, Action<NftBatch> add)
    {
        NftBatch batch = new NftBatch().Add(s_table).Delete(s_table).Add(s_table).Add(chain);
        add(batch);
        nft.Execute(batch);
    }

    private static void AssertHeld(NftSocket nft, long number) =>
        Assert.Equal(s_comparisons.Select(c => (number, c.Text, c.Holds(number))),
            s_comparisons.Zip(Counters(nft, "c"), (c, held) => (number, c.Text, held)));

    private static IEnumerable<bool> Counters(NftSocket nft, string chain) =>
        nft.ReadTable(NftFamily.Inet, "t")!.Chains.Single(c => c.Chain.Name == chain).Rules
            .SelectMany(r => r.Expressions.OfType<CounterExpression>()).Select(c => c.Packets > 0);

    private static UdpClient Receiver(TestNetwork network, out int port)
    {
        UdpClient receiver = NetworkNamespace.Run(network.Namespace, () => new UdpClient(new IPEndPoint(IPAddress.Loopback, 0)));
        port = ((IPEndPoint)receiver.Client.LocalEndPoint!).Port;
        return receiver;
    }

    private static void Send(TestNetwork network, int port, long number) => NetworkNamespace.Run(network.Namespace, () =>
    {
        using var client = new UdpClient();
        client.Send("hi"u8, new IPEndPoint(IPAddress.Loopback, port));
    });

    private static (NftValue Low, NftValue High, bool Ordered) ValuesOf(NftType type) => type.Name switch
    {
        "ipv4_addr" => ("10.0.0.2", "10.0.1.0", true),
        "ipv6_addr" => ("fd00::2", "fd00::100", true),
        "ether_addr" => ("02:00:00:00:00:02", "02:00:00:00:01:00", true),
        "ifname" => ("lo", "eth0", false),
        "ct_state" => ("established", "new", false),
        "ct_status" => ("snat", "dnat", false),
        "ct_dir" => ("original", "reply", false),
        "nf_proto" => ("ipv4", "ipv6", false),
        "pkt_type" => ("host", "multicast", true),
        "fib_addrtype" => ("unicast", "multicast", true),
        "icmp_type" or "icmpv6_type" => (3, 129, true),
        "inet_proto" => ("icmp", "udp", true),
        "iface_index" => (2, 256, true),
        // nft(8) 1.0.6 looks for a name of the number with its bytes turned, as it is in the comparison: 0x0100 would be shown as ether.
        "iface_type" => (3, 772, true),
        _ => (2, 256, true),
    };

    // A link's number is told by its name where there is one, elements break lines, and parts of a name are quoted by some.
    private static string Normal(string ruleset) => NftAgreementTests.Sorted(ruleset).Replace("0x", "", StringComparison.Ordinal);
}
