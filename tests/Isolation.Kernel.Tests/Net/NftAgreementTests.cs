using System.Net;
using System.Text.RegularExpressions;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Nftables.Expressions;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Tables, chains, sets and rules: made by this library they are what nft(8) makes of the same text,
/// and both are read and written alike.</summary>
public class NftAgreementTests
{
    private static readonly NftTable s_table = new(NftFamily.Inet, "t");
    private static readonly NftChain s_chain = new(s_table, "c");
    private static readonly NftChain s_nat = new(s_table, "n") { Type = NftChainType.Nat, Hook = NftHook.Prerouting, Priority = -100 };
    private static readonly NftChain s_after = new(s_table, "s") { Type = NftChainType.Nat, Hook = NftHook.Postrouting, Priority = 100 };
    private static readonly NftSet s_addresses = new(s_table, "addresses", NftType.IPv4Address) { Interval = true };
    private static readonly NftSet s_ports = new(s_table, "ports", NftType.Protocol, NftType.Service);
    private static readonly NftSet s_verdicts = new(s_table, "verdicts", NftType.Service) { Verdicts = true };
    private static readonly NftSet s_targets = new(s_table, "targets", NftType.Protocol, NftType.Service)
    { DataTypes = [NftType.IPv4Address, NftType.Service] };
    private static readonly NftStateful s_counter = new(NftFamily.Inet, "t", "seen", new CounterExpression());
    private static readonly NftStateful s_quota = new(NftFamily.Inet, "t", "enough", new QuotaExpression(25 << 20, Over: true));

    private static readonly NftSet s_users = new(s_table, "users", NftType.UserId) { Interval = true };
    private static readonly NftSet s_names = new(s_table, "names", NftType.LinkName);
    private static readonly NftSet s_parts = new(s_table, "parts", NftType.Mark, NftType.LinkName, NftType.Service) { Interval = true };
    private static readonly NftSet s_marks = new(s_table, "marks", NftType.Mark) { Verdicts = true, Interval = true };

    private static NftRule Rule => new(s_chain);

    /// <summary>Each rule in nft's words, and here.</summary>
    private static readonly (string Text, NftRule Rule)[] s_rules =
    [
        ("accept", Rule.Accept()),
        ("tcp dport 22 accept", Rule.Match(NftField.TcpDestinationPort, 22).Accept()),
        ("udp sport 5000-6000 drop", Rule.Match(NftField.UdpSourcePort, "5000-6000").Drop()),
        ("tcp dport != 80 counter", Rule.Match(NftField.TcpDestinationPort, 80, NftOperator.NotEqual).Counter()),
        ("tcp dport >= 1024 return",
            Rule.Match(NftField.TcpDestinationPort, 1024, NftOperator.GreaterOrEqual).Decide(new NftVerdict(NftVerdictKind.Return))),
        ("tcp dport { 80, 443, 8000-8999 } accept", Rule.MatchAny(NftField.TcpDestinationPort, 80, 443, "8000-8999").Accept()),
        ("sctp dport 99 accept", Rule.Match(NftField.SctpDestinationPort, 99).Accept()),
        ("ip saddr 10.0.0.0/8 drop", Rule.Match(NftField.IPv4Source, IPNetwork.Parse("10.0.0.0/8")).Drop()),
        ("ip daddr 192.0.2.7 tcp dport 443 accept",
            Rule.Match(NftField.IPv4Destination, IPAddress.Parse("192.0.2.7")).Match(NftField.TcpDestinationPort, 443).Accept()),
        ("ip saddr 10.1.2.0/23 accept", Rule.Match(NftField.IPv4Source, "10.1.2.0/23").Accept()),
        ("ip saddr 10.0.0.5-10.0.0.9 accept", Rule.Match(NftField.IPv4Source, "10.0.0.5-10.0.0.9").Accept()),
        ("ip6 saddr fd00::/64 accept", Rule.Match(NftField.IPv6Source, "fd00::/64").Accept()),
        ("ip6 daddr fd00::1 udp dport 53 accept",
            Rule.Match(NftField.IPv6Destination, IPAddress.Parse("fd00::1")).Match(NftField.UdpDestinationPort, 53).Accept()),
        ("iifname \"lo\" accept", Rule.Match(NftField.InputInterface, "lo").Accept()),
        ("oifname != \"eth*\" drop", Rule.Match(NftField.OutputInterface, "eth*", NftOperator.NotEqual).Drop()),
        ("ct state established,related accept", Rule.Match(NftField.ConnectionState, "established,related").Accept()),
        ("ct state invalid drop", Rule.Match(NftField.ConnectionState, "invalid").Drop()),
        ("ct status dnat accept", Rule.Match(NftField.ConnectionStatus, "dnat").Accept()),
        ("ct direction reply accept", Rule.Match(NftField.ConnectionDirection, "reply").Accept()),
        ("meta l4proto icmp accept", Rule.Match(NftField.TransportProtocol, "icmp").Accept()),
        ("meta nfproto ipv6 drop", Rule.Match(NftField.PacketFamily, "ipv6").Drop()),
        ("meta mark 0x0000002a accept", Rule.Match(NftField.Mark, 42).Accept()),
        ("meta skuid 1000 drop", Rule.Match(NftField.SocketUserId, 1000).Drop()),
        ("meta skuid 0-99 drop", Rule.Match(NftField.SocketUserId, NftValue.Range(0, 99)).Drop()),
        ("meta skgid != 100-256 drop", Rule.Match(NftField.SocketGroupId, "100-256", NftOperator.NotEqual).Drop()),
        ("meta mark < 0x00000100 accept", Rule.Match(NftField.Mark, 256, NftOperator.LessThan).Accept()),
        ("ct mark >= 0x00000100 accept", Rule.Match(NftField.ConnectionMark, 256, NftOperator.GreaterOrEqual).Accept()),
        ("meta cpu > 2 accept", Rule.Match(NftField.Processor, 2, NftOperator.GreaterThan).Accept()),
        ("meta cpu { 0-1, 256 } accept", Rule.MatchAny(NftField.Processor, "0-1", 256).Accept()),
        ("oif > 900 accept", Rule.Match(NftField.OutputLink, 900, NftOperator.GreaterThan).Accept()),
        ("meta skuid { 0-99, 4242 } drop", Rule.MatchAny(NftField.SocketUserId, "0-99", 4242).Drop()),
        ("meta mark { 0x00000001, 0x00000200 } accept", Rule.MatchAny(NftField.Mark, 1, 512).Accept()),
        ("iifname { \"eth*\", \"lo\" } accept", Rule.MatchAny(NftField.InputInterface, "eth*", "lo").Accept()),
        ("ct state established,new accept", Rule.MatchAny(NftField.ConnectionState, "established", "new").Accept()),
        ("meta skuid @users drop", Rule.MatchSet(s_users, NftField.SocketUserId).Drop()),
        ("oifname @names drop", Rule.MatchSet(s_names, NftField.OutputInterface).Drop()),
        ("meta mark . oifname . tcp dport @parts accept",
            Rule.MatchSet(s_parts, NftField.Mark, NftField.OutputInterface, NftField.TcpDestinationPort).Accept()),
        ("ct mark vmap @marks", Rule.VerdictMap(s_marks, NftField.ConnectionMark)),
        ("icmp type echo-request accept", Rule.Match(NftField.IcmpType, "echo-request").Accept()),
        ("icmpv6 type nd-neighbor-solicit accept", Rule.Match(NftField.Icmpv6Type, "nd-neighbor-solicit").Accept()),
        ("ip saddr @addresses drop", Rule.MatchSet(s_addresses, NftField.IPv4Source).Drop()),
        ("ip daddr != @addresses drop", Rule.MatchNotInSet(s_addresses, NftField.IPv4Destination).Drop()),
        ("meta l4proto . th dport @ports accept", Rule.MatchSet(s_ports, NftField.TransportProtocol, NftField.DestinationPort).Accept()),
        ("tcp dport vmap @verdicts", Rule.VerdictMap(s_verdicts, NftField.TcpDestinationPort)),
        ("limit rate 10/second burst 5 packets accept", Rule.Limit(10, TimeSpan.FromSeconds(1)).Accept()),
        ("limit rate over 400/minute burst 7 packets drop", Rule.Limit(400, TimeSpan.FromMinutes(1), 7, over: true).Drop()),
        ("limit rate 10 mbytes/second accept", Rule.LimitBytes(10 << 20, TimeSpan.FromSeconds(1)).Accept()),
        ("quota over 10 mbytes drop", Rule.Quota(10 << 20, over: true).Drop()),
        ("counter name \"seen\"", Rule.Use(s_counter)),
        ("quota name \"enough\" drop", Rule.Use(s_quota).Drop()),
        ("log prefix \"seen: \" group 3", Rule.Log("seen: ", 3)),
        ("log prefix \"hello\" drop", Rule.Log("hello").Drop()),
        ("reject", Rule.Reject()),
        ("reject with icmpx admin-prohibited", Rule.Reject(NftRejection.AdminProhibited)),
        ("tcp dport 25 reject with tcp reset", Rule.Match(NftField.TcpDestinationPort, 25).Reject(NftRejection.TcpReset)),
        ("meta mark set 0x00000007", Rule.SetMark(7)),
        ("jump other", Rule.Decide(NftVerdict.Jump("other"))),
        ("tcp dport 1 accept comment \"one\"", Rule.Match(NftField.TcpDestinationPort, 1).Accept().WithComment("one")),
        ("fib daddr type local accept", Rule.Match(NftField.DestinationType, "local").Accept()),
        ("ip protocol tcp accept", Rule.Match(NftField.IPv4Protocol, "tcp").Accept()),
        ("tcp dport 80 dnat ip to 10.0.0.2:8080",
            new NftRule(s_nat).Match(NftField.TcpDestinationPort, 80).Dnat(IPAddress.Parse("10.0.0.2"), 8080)),
        ("tcp dport 81 dnat ip6 to [fd00::2]:8080",
            new NftRule(s_nat).Match(NftField.TcpDestinationPort, 81).Dnat(IPAddress.Parse("fd00::2"), 8080)),
        ("udp dport 53 redirect to :5353", new NftRule(s_nat).Match(NftField.UdpDestinationPort, 53).Redirect(5353)),
        ("dnat ip to meta l4proto . th dport map @targets",
            new NftRule(s_nat).DnatMap(s_targets, NftField.TransportProtocol, NftField.DestinationPort)),
        ("ip saddr 10.0.0.0/24 oifname != \"br0\" masquerade", new NftRule(s_after).Match(NftField.IPv4Source, "10.0.0.0/24")
            .Match(NftField.OutputInterface, "br0", NftOperator.NotEqual).Masquerade()),
        ("masquerade fully-random", new NftRule(s_after).Masquerade(NftNatFlags.FullyRandom)),
        ("ip saddr 10.0.0.9 snat ip to 192.0.2.1",
            new NftRule(s_after).Match(NftField.IPv4Source, "10.0.0.9").Snat(IPAddress.Parse("192.0.2.1"))),
    ];

    public static TheoryData<string> Rules => [.. s_rules.Select(r => r.Text)];

    private static NftBatch Frame() => new NftBatch().Add(s_table).Add(s_chain).Add(new NftChain(s_table, "other")).Add(s_nat).Add(s_after)
        .Add(s_addresses).Add(s_ports).Add(s_verdicts).Add(s_targets).Add(s_counter).Add(s_quota)
        .Add(s_users).Add(s_names).Add(s_parts).Add(s_marks).Add(s_users.Elements("0-99", 256, "1000-70000"))
        .Add(s_names.Elements("lo", "eth0"))
        .Add(s_parts.Elements(NftValue.Concatenate("2-300", "lo", "80-90"), NftValue.Concatenate(7, "eth0", 443)))
        .Add(s_marks.Elements([s_marks.Element("1-256", NftVerdict.Accept), s_marks.Element(512, NftVerdict.Drop)]))
        .Add(s_addresses.Elements("10.0.0.0/8", "192.0.2.1", "198.51.100.5-198.51.100.9"))
        .Add(s_ports.Elements(NftValue.Concatenate("tcp", 80), NftValue.Concatenate("udp", 53)))
        .Add(s_verdicts.Elements([s_verdicts.Element(80, NftVerdict.Accept), s_verdicts.Element(81, NftVerdict.Jump("other"))]))
        .Add(s_targets.Elements([s_targets.Element(NftValue.Concatenate("tcp", 8080), NftValue.Concatenate("10.0.0.2", 80))]));

    private const string FrameText = """
        table inet t {
            counter seen { }
            quota enough { over 25 mbytes; }
            set addresses { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, 192.0.2.1, 198.51.100.5-198.51.100.9 }; }
            set ports { type inet_proto . inet_service; elements = { tcp . 80, udp . 53 }; }
            set users { type uid; flags interval; elements = { 0-99, 256, 1000-70000 }; }
            set names { type ifname; elements = { "lo", "eth0" }; }
            set parts { type mark . ifname . inet_service; flags interval; elements = { 2-300 . "lo" . 80-90, 7 . "eth0" . 443 }; }
            map marks { type mark : verdict; flags interval; elements = { 1-256 : accept, 512 : drop }; }
            chain other { }
            map verdicts { type inet_service : verdict; elements = { 80 : accept, 81 : jump other }; }
            map targets { type inet_proto . inet_service : ipv4_addr . inet_service; elements = { tcp . 8080 : 10.0.0.2 . 80 }; }
            chain n { type nat hook prerouting priority dstnat; }
            chain s { type nat hook postrouting priority srcnat; }
            chain c {
                RULES
            }
        }
        """;

    [Theory]
    [MemberData(nameof(Rules))]
    public void A_rule_is_what_nft_makes_of_its_text(string text)
    {
        Host.NeedsRoot();
        Host.NeedsTool("nft");
        NftRule rule = s_rules.Single(r => r.Text == text).Rule;
        Assert.Equal(text.Replace("counter\n", ""), Regex.Replace(rule.ToString(), " ?packets 0 bytes 0", ""));
        using var ours = new TestNetwork();
        using var theirs = new TestNetwork();
        using NftSocket nft = NftSocket.Open(ours.Namespace), other = NftSocket.Open(theirs.Namespace);
        Execute(nft, Frame().Add(rule));
        Load(theirs, rule.Chain == "c"
            ? FrameText.Replace("RULES", text)
            : FrameText.Replace("RULES", "") + $"\nadd rule inet t {rule.Chain} {text}\n");
        Assert.Equal(Sorted(theirs.Run("nft", "list", "ruleset")), Sorted(ours.Run("nft", "list", "ruleset")));
        Assert.Equal(Objects(theirs), Objects(ours));
        using var copy = new TestNetwork();
        Load(copy, ours.Run("nft", "list", "ruleset"));
        Assert.Equal(Objects(ours), Objects(copy));
        Assert.Equal(Sorted(theirs.Run("nft", "list", "ruleset")), Sorted(nft.ReadRuleset().ToString()));
        Assert.Equal(Sorted(theirs.Run("nft", "list", "ruleset")), Sorted(other.ReadRuleset().ToString()));
    }

    [Fact]
    public void Random_chains_of_rules_and_sets_are_read_back_as_nft_reads_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("nft");
        Gen<NftFamily> family = Gen.Elements(NftFamily.Inet, NftFamily.IPv4, NftFamily.IPv6);
        // For output near -100 later versions of nft say dstnat, and earlier ones the number.
        Gen<(string[] Rules, uint[] Addresses, int Priority, NftHook Hook, bool Drop, NftFamily Family)> configurations =
            from rules in Gen.ListOf(Gen.Elements(s_rules.Where(r => r.Rule.Chain == "c").Select(r => r.Text).ToArray()))
            from addresses in Gen.ListOf(Gen.Choose(1, int.MaxValue).Select(n => (uint)n))
            from priority in Gen.Choose(-400, 400)
            from hook in Gen.Elements(NftHook.Prerouting, NftHook.Input, NftHook.Forward, NftHook.Output, NftHook.Postrouting)
            where hook != NftHook.Output || priority is < -110 or > -90
            from drop in Gen.Elements(true, false)
            from f in family
            select (rules.ToArray(), addresses.Distinct().ToArray(), priority, hook, drop, f);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(40)), Prop.ForAll(Arb.From(configurations), wanted =>
        {
            using var ours = new TestNetwork();
            using NftSocket nft = NftSocket.Open(ours.Namespace);
            NftBatch batch = Frame();
            foreach (string text in wanted.Rules)
                batch.Add(s_rules.Single(r => r.Text == text).Rule);
            var table = new NftTable(wanted.Family, "second") { Comment = "another" };
            var chain = new NftChain(table, "base")
            { Hook = wanted.Hook, Priority = wanted.Priority, Policy = wanted.Drop ? NftVerdict.Drop : NftVerdict.Accept };
            var set = new NftSet(table, "many", NftType.IPv4Address) { Interval = true };
            IPAddress Address(uint n) => new([(byte)(n >> 24), (byte)(n >> 16), (byte)(n >> 8), (byte)n]);
            batch.Add(table).Add(chain).Add(set).Add(set.Elements(wanted.Addresses.Select(n => (NftValue)Address(n))));
            Execute(nft, batch);
            string shown = ours.Run("nft", "list", "ruleset");
            NftRuleset read = nft.ReadRuleset();
            Assert.Equal(Sorted(shown), Sorted(read.ToString()));
            Assert.Equal(wanted.Addresses.Select(n => Address(n).ToString()).Order(),
                read.Tables.Single(t => t.Table.Table == "second").Sets[0].Elements
                    .Select(e => new IPAddress(e.Key.Bytes).ToString()).Order());
            // What nft itself makes of what we print is the same again.
            using var copy = new TestNetwork();
            Load(copy, read.ToString());
            Assert.Equal(Sorted(shown), Sorted(copy.Run("nft", "list", "ruleset")));
        }));
    }

    [Fact]
    public void A_batch_is_carried_out_whole_or_not_at_all()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        NetlinkException e = Assert.Throws<NetlinkException>(
            () => nft.Execute(new NftBatch().Add(s_table).Add(s_chain).Add(new NftRule(s_table.Family, "t", "missing").Accept())));
        Assert.Equal(Errno.ENOENT, e.Errno);
        Assert.Contains("Cannot add rule \"accept\" of chain \"missing\" of table inet t: NFT_MSG_NEWRULE failed with ENOENT", e.Message);
        Assert.Contains("Nothing of the batch was done.", e.Message);
        Assert.Empty(nft.ReadTables());
        nft.Execute(new NftBatch().Add(s_table).Add(s_chain));
        Assert.Equal(Errno.EEXIST, Assert.Throws<NetlinkException>(() => nft.Execute(new NftBatch().Create(s_table))).Errno);
        nft.Execute(new NftBatch().Add(Rule.Match(NftField.TcpDestinationPort, 1).Accept())
            .Add(Rule.Match(NftField.TcpDestinationPort, 2).Accept()));
        NftRule first = nft.ReadRuleset().Tables[0].Chains[0].Rules[0];
        nft.Execute(new NftBatch().Replace(first with { Expressions = Rule.Drop().Expressions }).Insert(Rule.Counter()));
        Assert.Equal(["counter packets 0 bytes 0", "drop", "tcp dport 2 accept"],
            nft.ReadTable(NftFamily.Inet, "t")!.Chains[0].Rules.Select(r => r.ToString()));
        nft.Execute(new NftBatch().Delete(first));
        Assert.Equal(2, nft.ReadTable(NftFamily.Inet, "t")!.Chains[0].Rules.Length);
        nft.Execute(new NftBatch().Flush(s_chain).Delete(s_table));
        Assert.Empty(nft.ReadTables());
    }

    [Fact]
    public void Large_sets_timeouts_and_comments_are_kept()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var large = new NftSet(s_table, "large", NftType.IPv4Address);
        var timed = new NftSet(s_table, "timed", NftType.IPv4Address) { HasTimeouts = true, Comment = "soon gone" };
        NftElement brief = timed.Element("10.0.0.1") with { Timeout = TimeSpan.FromSeconds(100), Comment = "brief" };
        Execute(nft, new NftBatch().Add(s_table).Add(large).Add(timed).Add(timed.Elements([brief]))
            .Add(large.Elements(Enumerable.Range(0, 10_000).Select(i => (NftValue)new IPAddress([10, 1, (byte)(i >> 8), (byte)i])))));
        Assert.Equal(10_000, nft.ReadElements(large).Length);
        NftElement read = Assert.Single(nft.ReadElements(timed));
        Assert.Equal((brief.Key, brief.Timeout, "brief"), (read.Key, read.Timeout, read.Comment));
        Assert.InRange(read.Expires!.Value, TimeSpan.FromSeconds(50), TimeSpan.FromSeconds(100));
        Assert.Equal("soon gone", nft.ReadTable(NftFamily.Inet, "t")!.Sets.Single(s => s.Set.Name == "timed").Set.Comment);
        Execute(nft, new NftBatch().Delete(large.Elements("10.1.0.0")));
        Assert.Equal(9_999, nft.ReadElements(large).Length);
        Execute(nft, new NftBatch().Flush(large));
        Assert.Empty(nft.ReadElements(large));
    }

    private static void Execute(NftSocket nft, NftBatch batch) => nft.Execute(batch);

    internal static void Load(TestNetwork network, string text)
    {
        using var directory = new TemporaryDirectory();
        string file = directory.Write("rules", text);
        network.Run("nft", "-f", file);
    }

    /// <summary>What nft(8) says of everything, as JSON, without the numbers that the kernel gives.</summary>
    private static IEnumerable<string> Objects(TestNetwork network) => network.Json("nft", "-j", "list", "ruleset")
        .GetProperty("nftables").EnumerateArray()
        .Select(o => Regex.Replace(o.GetRawText(), "\"handle\": [0-9]+,? ?", "")).Where(o => !o.Contains("metainfo"))
        .Order(StringComparer.Ordinal);

    // nft breaks lines of elements by their number, and tells tables in the order of making.
    internal static string Sorted(string ruleset)
    {
        string joined = Regex.Replace(ruleset, @"elements = \{([^}]*)\}",
            m => "elements = { "
                + string.Join(", ", m.Groups[1].Value.Split(',', StringSplitOptions.TrimEntries).Order(StringComparer.Ordinal)) + " }");
        // The default of a burst is left out by some versions, and told by others.
        string[] lines = [.. joined.Replace(" burst 5 packets", "").Split('\n').Select(l => Regex.Replace(l.Trim(), " +", " "))
            .Where(l => l.Length > 0)];
        var blocks = new List<string>();
        string table = "", block = "";
        foreach (string line in lines)
        {
            if (line.StartsWith("table "))
                table = line;
            else if (line == "}" && block.Length == 0)
                blocks.Add(table + " }");
            else
                block += line + "\n";
            if (line != "}" || block.Length == 0)
                continue;
            blocks.Add($"{table}: {block}");
            block = "";
        }

        return string.Join('\n', blocks.Order(StringComparer.Ordinal));
    }
}
