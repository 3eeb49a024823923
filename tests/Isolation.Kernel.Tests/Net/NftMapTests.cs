using System.Collections.Immutable;
using System.Net;
using System.Net.Sockets;
using Isolation.Net;
using Isolation.Net.Nftables;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Sets and maps with ranges, wildcards and the element for everything else:
/// nft(8), "Sets" and "Maps", is the oracle both ways.</summary>
public class NftMapTests
{
    public static TheoryData<string> Sets =>
    [
        "set s { type ifname; flags interval; elements = { \"eth*\", \"lo\", \"veth0\" }; }",
        "set s { type ifname; flags interval; elements = { \"e*\", \"wlan0*\" }; }",
        "set s { type ifname . inet_service; flags interval; elements = { \"eth*\" . 80-90, \"lo\" . 22 }; }",
        "set s { type inet_service . ifname; flags interval; elements = { 80-90 . \"eth*\", 22 . \"lo\" }; }",
        "set s { type ipv4_addr; elements = { 10.0.0.1, * }; }",
        "set s { type ipv4_addr; flags interval; elements = { 10.0.0.0/8, * }; }",
        "set s { type ipv4_addr; flags timeout; timeout 1h; elements = { 10.0.0.1 timeout 1m expires 59s, * timeout 2m expires 1m59s }; }",
        "map s { type ipv4_addr : verdict; elements = { 10.0.0.1 : accept, * : drop }; }",
        "map s { type ipv4_addr : verdict; flags interval; "
            + "elements = { 10.0.0.0/8 : accept, 192.0.2.1-192.0.2.9 : jump other, * : drop }; }",
        "map s { type inet_service : mark; flags interval; elements = { 0-1023 : 0x00000001, 1024-65535 : 0x00000002 }; }",
        "map s { type inet_service : mark; flags interval; elements = { 22 : 0x00000001, 80-90 : 0x00000002, * : 0x00000003 }; }",
        "map s { type ipv4_addr : ipv4_addr; flags interval; elements = { 10.0.0.0/24 : 10.1.0.1, 10.0.1.0-10.0.1.77 : 10.1.0.2 }; }",
        "map s { type ipv6_addr : ipv6_addr; flags interval; elements = { fd00::/64 : fd01::1, fe80::1-fe80::9 : fd01::2 }; }",
        "map s { type ipv4_addr : ipv4_addr . inet_service; flags interval; elements = { 10.0.0.0/24 : 10.1.0.1 . 80 }; }",
        "map s { type ipv4_addr . inet_service : verdict; flags interval; "
            + "elements = { 10.0.0.0/8 . 80-90 : accept, 192.0.2.1 . 22 : drop }; }",
        "map s { type ipv4_addr . inet_service : ipv4_addr . inet_service; flags interval; "
            + "elements = { 10.0.0.0/8 . 80-90 : 10.1.0.1 . 8080 }; }",
        "map s { type ifname : verdict; flags interval; elements = { \"eth*\" : accept, \"lo\" : jump other, * : drop }; }",
        "map s { type ifname : mark; flags interval; elements = { \"eth*\" : 0x00000001, \"lo\" : 0x00000002 }; }",
        "map s { type mark : inet_service; flags interval; elements = { 0x00000001-0x00000100 : 80, 0x00000200 : 81 }; }",
        "map s { type ipv4_addr : interval ipv4_addr; flags interval; "
            + "elements = { 10.0.0.0/24 : 10.1.0.0/24, 10.0.1.1 : 10.1.1.1-10.1.1.9 }; }",
        "map s { type ipv4_addr : interval ipv4_addr; elements = { 10.0.0.1 : 10.1.0.0/24, 10.0.1.1 : 10.1.1.1-10.1.1.9 }; }",
        "map s { type ipv4_addr : interval ipv4_addr . inet_service; flags interval; "
            + "elements = { 10.0.0.0/24 : 10.1.0.1-10.1.0.9 . 80-90 }; }",
        "set s { type ipv4_addr; policy memory; size 9; flags interval,timeout; counter; auto-merge; timeout 1h; gc-interval 10m; "
            + "comment \"c\"; elements = { 10.0.0.1 counter packets 3 bytes 99 timeout 1m expires 59s comment \"x\" }; }",
        "set s { type ipv4_addr; limit rate 10/second burst 5 packets counter; "
            + "elements = { 10.0.0.1 limit rate 10/second burst 5 packets counter packets 1 bytes 2 }; }",
        "map s { type ether_addr : ipv4_addr; elements = { 02:00:00:00:00:01 : 10.0.0.1, * : 10.0.0.2 }; }",
        "set s { type ipv4_addr; flags interval; auto-merge; elements = { 10.0.0.0/24, 10.0.1.0/24 }; }",
        "set s { type inet_service; flags interval; elements = { 0-10, 65530-65535 }; }",
        "set s { type ipv4_addr; flags interval; elements = { 0.0.0.0/0 }; }",
        "set s { type ipv4_addr; flags interval; counter; elements = { 10.0.0.0/24 counter packets 3 bytes 99 }; }",
        "set s { type ipv4_addr; flags dynamic; size 99; counter; "
            + "elements = { 10.0.0.1 counter packets 3 bytes 99, 10.0.0.2 counter packets 0 bytes 0 }; }",
        "map s { type ipv4_addr : verdict; counter; elements = { 10.0.0.1 counter packets 3 bytes 99 : accept }; }",
        "set s { type ipv4_addr; flags timeout; gc-interval 10m; }",
        "set s { type ipv4_addr; policy memory; size 16; }",
        "map s { type ipv4_addr : counter; elements = { 10.0.0.1 : \"c1\" }; }",
        "map s { type ipv4_addr : quota; flags interval; elements = { 10.0.0.0/24 : \"q1\" }; }",
    ];

    /// <summary>Of these nft(8) prints what they were made from, and this library the types.</summary>
    public static TheoryData<string> SetsOfFields =>
    [
        "set s { typeof ip saddr; flags interval; elements = { 10.0.0.0/8 }; }",
        "set s { typeof ip saddr . tcp dport; elements = { 10.0.0.1 . 22 }; }",
        "map s { typeof tcp dport : meta mark; elements = { 22 : 0x00000001 }; }",
    ];

    /// <summary>What nft(8) has made is read, printed as <c>nft list ruleset</c> prints it, and written into another namespace: what nft(8)
    /// lists there is what it lists here, and it loads what was printed.</summary>
    [Theory]
    [MemberData(nameof(Sets))]
    public void A_set_that_nft_made_is_printed_as_nft_does_and_the_same_when_written_again(string text)
    {
        Host.NeedsRoot();
        Host.NeedsTool("nft");
        (string listed, NftRuleset read) = WrittenAgain(text);
        Assert.Equal(Shown(listed), Shown(read.ToString()));
        using var copy = new TestNetwork();
        NftAgreementTests.Load(copy, read.ToString());
        Assert.Equal(Shown(listed), Shown(copy.Run("nft", "list", "ruleset")));
    }

    [Theory]
    [MemberData(nameof(SetsOfFields))]
    public void A_set_of_fields_is_the_same_when_written_again(string text)
    {
        Host.NeedsRoot();
        Host.NeedsTool("nft");
        (_, NftRuleset read) = WrittenAgain(text);
        using var copy = new TestNetwork();
        NftAgreementTests.Load(copy, read.ToString());
    }

    /// <summary>Lets nft(8) make a set, reads it, and writes it into another namespace, where nft(8) lists the same.</summary>
    private static (string Listed, NftRuleset Read) WrittenAgain(string text)
    {
        using var theirs = new TestNetwork();
        using var ours = new TestNetwork();
        NftAgreementTests.Load(theirs, $"table ip t {{\ncounter c1 {{ }}\nquota q1 {{ over 25 mbytes; }}\nchain other {{ }}\n{text}\n}}\n");
        string listed = theirs.Run("nft", "list", "ruleset");
        using NftSocket source = NftSocket.Open(theirs.Namespace), target = NftSocket.Open(ours.Namespace);
        NftRuleset read = source.ReadRuleset();
        NftTableContent table = Assert.Single(read.Tables);
        var batch = new NftBatch().Add(table.Table);
        foreach (NftStateful state in table.Objects)
            batch.Add(state);
        foreach ((NftChain chain, _) in table.Chains)
            batch.Add(chain);
        (NftSet set, ImmutableArray<NftElement> elements) = Assert.Single(table.Sets);
        target.Execute(batch.Add(set).Add(set.Elements(elements)));
        Assert.Equal(Shown(listed), Shown(ours.Run("nft", "list", "ruleset")));
        return (listed, read);
    }

    private static readonly NftTable s_table = new(NftFamily.IPv4, "t");
    private static readonly NftChain s_nat = new(s_table, "n") { Type = NftChainType.Nat, Hook = NftHook.Output, Priority = -50 };
    private static readonly NftChain s_after = new(s_table, "a") { Type = NftChainType.Nat, Hook = NftHook.Postrouting, Priority = 100 };

    private static NftSet Map(string name, params IEnumerable<NftType> keys) => new(s_table, name, keys) { Interval = true };

    /// <summary>Sets and rules made here, and nft's words for them.</summary>
    private static NftBatch Made()
    {
        NftSet verdicts = Map("verdicts", NftType.IPv4Address) with { Verdicts = true };
        NftSet links = Map("links", NftType.LinkName);
        NftSet wild = Map("wild", NftType.LinkName, NftType.Service) with { Verdicts = true };
        NftSet targets = Map("targets", NftType.IPv4Address) with { DataTypes = [NftType.IPv4Address] };
        NftSet ranges = Map("ranges", NftType.IPv4Address) with { DataTypes = [NftType.IPv4Address], IntervalData = true };
        NftSet ports = Map("ports", NftType.IPv4Address) with { DataTypes = [NftType.IPv4Address, NftType.Service], IntervalData = true };
        return new NftBatch().Add(s_table).Add(s_nat).Add(s_after).Add(verdicts).Add(links).Add(wild).Add(targets).Add(ranges).Add(ports)
            .Add(verdicts.Elements([verdicts.Element("10.0.0.0/8", NftVerdict.Accept),
                verdicts.Element("192.0.2.1-192.0.2.9", NftVerdict.Drop), verdicts.Element("*", new NftVerdict(NftVerdictKind.Return))]))
            .Add(links.Elements("eth*", "lo", "*"))
            .Add(wild.Elements([wild.Element(NftValue.Concatenate("eth*", "80-90"), NftVerdict.Accept),
                wild.Element(NftValue.Concatenate("lo", 22), NftVerdict.Drop), wild.Element("*", NftVerdict.Accept)]))
            .Add(targets.Elements([targets.Element("10.0.0.0/24", "10.1.0.1"), targets.Element("10.0.1.7-10.0.1.9", "10.1.0.2"),
                targets.Element("*", "10.1.0.3")]))
            .Add(ranges.Elements([ranges.Element("10.0.0.0/24", "10.1.0.0/24"), ranges.Element("10.0.1.1", "10.1.1.1-10.1.1.9")]))
            .Add(ports.Elements([ports.Element("10.0.0.0/24", NftValue.Concatenate("10.1.0.1-10.1.0.9", "80-90"))]))
            .Add(new NftRule(s_nat).VerdictMap(verdicts, NftField.IPv4Destination))
            .Add(new NftRule(s_nat).MatchSet(links, NftField.OutputInterface).Counter())
            .Add(new NftRule(s_nat).VerdictMap(wild, NftField.OutputInterface, NftField.TcpDestinationPort))
            .Add(new NftRule(s_nat).DnatMap(targets, NftField.IPv4Destination))
            .Add(new NftRule(s_nat).DnatMap(ranges, NftField.IPv4Destination))
            .Add(new NftRule(s_nat).Match(NftField.TransportProtocol, "tcp").DnatMap(ports, NftField.IPv4Destination))
            .Add(new NftRule(s_nat).MatchAny(NftField.TcpDestinationPort, "1-9", "*").Counter())
            .Add(new NftRule(s_after).SnatMap(ranges, NftField.IPv4Source));
    }

    private const string MadeText = """
        table ip t {
            map verdicts { type ipv4_addr : verdict; flags interval
                elements = { 10.0.0.0/8 : accept, 192.0.2.1-192.0.2.9 : drop, * : return }; }
            set links { type ifname; flags interval; elements = { "eth*", "lo", * }; }
            map wild { type ifname . inet_service : verdict; flags interval
                elements = { "eth*" . 80-90 : accept, "lo" . 22 : drop, * : accept }; }
            map targets { type ipv4_addr : ipv4_addr; flags interval
                elements = { 10.0.0.0/24 : 10.1.0.1, 10.0.1.7-10.0.1.9 : 10.1.0.2, * : 10.1.0.3 }; }
            map ranges { type ipv4_addr : interval ipv4_addr; flags interval
                elements = { 10.0.0.0/24 : 10.1.0.0/24, 10.0.1.1 : 10.1.1.1-10.1.1.9 }; }
            map ports { type ipv4_addr : interval ipv4_addr . inet_service; flags interval
                elements = { 10.0.0.0/24 : 10.1.0.1-10.1.0.9 . 80-90 }; }
            chain n {
                type nat hook output priority -50
                ip daddr vmap @verdicts
                oifname @links counter
                oifname . tcp dport vmap @wild
                dnat to ip daddr map @targets
                dnat to ip daddr map @ranges
                meta l4proto tcp dnat ip to ip daddr map @ports
                tcp dport { 1-9, * } counter
            }
            chain a { type nat hook postrouting priority srcnat; snat to ip saddr map @ranges; }
        }
        """;

    [Fact]
    public void Maps_and_rules_made_here_are_what_nft_makes_of_their_text()
    {
        Host.NeedsRoot();
        Host.NeedsTool("nft");
        using var theirs = new TestNetwork();
        using var ours = new TestNetwork();
        NftAgreementTests.Load(theirs, MadeText);
        using NftSocket nft = NftSocket.Open(ours.Namespace), other = NftSocket.Open(theirs.Namespace);
        nft.Execute(Made());
        string listed = theirs.Run("nft", "list", "ruleset");
        Assert.Equal(Shown(listed), Shown(ours.Run("nft", "list", "ruleset")));
        Assert.Equal(Shown(listed), Shown(nft.ReadRuleset().ToString()));
        Assert.Equal(Shown(listed), Shown(other.ReadRuleset().ToString()));
        using var copy = new TestNetwork();
        NftAgreementTests.Load(copy, ours.Run("nft", "list", "ruleset"));
        Assert.Equal(Shown(listed), Shown(copy.Run("nft", "list", "ruleset")));
    }

    /// <summary>Datagrams to addresses of lo: which of them come, and where to, is what the maps say.</summary>
    [Fact]
    public void Packets_go_where_the_ranges_wildcards_and_the_element_for_all_others_say()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var filter = new NftChain(s_table, "f") { Hook = NftHook.Output };
        NftSet verdicts = Map("verdicts", NftType.IPv4Address) with { Verdicts = true };
        NftSet both = Map("both", NftType.LinkName, NftType.Service) with { Verdicts = true };
        NftSet targets = Map("targets", NftType.IPv4Address) with { DataTypes = [NftType.IPv4Address], IntervalData = true };
        nft.Execute(new NftBatch().Add(s_table).Add(filter).Add(s_nat).Add(verdicts).Add(both).Add(targets)
            .Add(targets.Elements([targets.Element("127.1.0.0/24", "127.2.0.7"), targets.Element("127.1.1.0/24", "127.2.1.3-127.2.1.4")]))
            .Add(verdicts.Elements([verdicts.Element("127.2.0.0/16", NftVerdict.Accept),
                verdicts.Element("127.3.0.5-127.3.0.9", new NftVerdict(NftVerdictKind.Continue)), verdicts.Element("*", NftVerdict.Drop)]))
            .Add(both.Elements([both.Element(NftValue.Concatenate("l*", "7000-7009"), NftVerdict.Accept),
                both.Element("*", NftVerdict.Drop)]))
            .Add(new NftRule(s_nat).DnatMap(targets, NftField.IPv4Destination))
            .Add(new NftRule(filter).VerdictMap(verdicts, NftField.IPv4Destination))
            .Add(new NftRule(filter).VerdictMap(both, NftField.OutputInterface, NftField.UdpDestinationPort)));
        (string Sent, int Port, string[] Comes)[] cases =
        [
            ("127.1.0.200", 7500, ["127.2.0.7"]),
            ("127.1.1.200", 7500, ["127.2.1.3", "127.2.1.4"]),
            ("127.2.255.255", 7500, ["127.2.255.255"]),
            ("127.3.0.5", 7009, ["127.3.0.5"]),
            ("127.3.0.9", 7000, ["127.3.0.9"]),
            ("127.3.0.5", 7010, []),
            ("127.3.0.4", 7000, []),
            ("127.3.0.10", 7000, []),
        ];
        NetworkNamespace.Run(network.Namespace, () =>
        {
            foreach ((string sent, int port, string[] comes) in cases)
            {
                string? came = Arrives(sent, port);
                Assert.True(comes.Length == 0 ? came is null : comes.Contains(came), $"{sent}:{port} came to {came ?? "nowhere"}");
            }
        });
    }

    /// <summary>At which address a datagram arrives; null where it does not.</summary>
    private static string? Arrives(string address, int port)
    {
        using var receiver = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp) { ReceiveTimeout = 300 };
        receiver.Bind(new IPEndPoint(IPAddress.Any, port));
        using var sender = new Socket(AddressFamily.InterNetwork, SocketType.Dgram, ProtocolType.Udp);
        try
        {
            sender.SendTo("x"u8, new IPEndPoint(IPAddress.Parse(address), port));
            SocketFlags flags = SocketFlags.None;
            EndPoint from = new IPEndPoint(IPAddress.Any, 0);
            receiver.ReceiveMessageFrom(new byte[8], ref flags, ref from, out IPPacketInformation information);
            return information.Address.ToString();
        }
        catch (SocketException)
        {
            return null; // EPERM for the sender, or nothing within the time
        }
    }

    // A second may pass between two lists.
    private static string Shown(string ruleset) =>
        System.Text.RegularExpressions.Regex.Replace(NftAgreementTests.Sorted(ruleset), "expires [0-9a-z]+", "expires");
}
