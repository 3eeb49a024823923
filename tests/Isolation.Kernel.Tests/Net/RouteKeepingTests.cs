using System.Text.RegularExpressions;
using Isolation.Net.Nftables;
using Isolation.Net.Nftables.Expressions;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What is read and added again is what it was: never wider, because a part had no name here. The oracle is ip(8), before and
/// after.</summary>
public class RouteKeepingTests
{
    // Each is left out where this kernel or this ip has no such thing; most must be there.
    private static readonly string[] s_routes =
    [
        "route add 10.1.0.0/16 tos 0x10 via 192.0.2.2 dev d0",
        "route add 10.1.0.0/16 via 192.0.2.3 dev d0",
        "route add 10.2.0.0/16 via 192.0.2.2 dev d0 mtu lock 1400 congctl reno quickack 1 rto_min 5s",
        "route add 10.3.0.0/16 nexthop via 203.0.113.1 dev d0 onlink nexthop via 192.0.2.2 dev d0 weight 3",
        "route add 10.4.0.0/16 encap ip id 7 dst 192.0.2.9 dev d0",
        "route add 10.5.0.0/16 via 192.0.2.2 realm 5",
        "-6 route add 2001:db8:5::/48 from 2001:db8:6::/48 via 2001:db8::2 dev d0",
        "-6 route add 2001:db8:7::/48 via 2001:db8::2 dev d0 expires 1000 pref high",
        "-6 route add 2001:db8:8::/48 encap seg6 mode encap segs 2001:db8::9 dev d0",
    ];

    private static readonly string[] s_rules =
    [
        "rule add priority 40000 lookup main",
        "rule add priority 100 from 10.0.0.0/8 tos 0x10 uidrange 1000-1999 goto 40000",
        "rule add priority 101 ipproto tcp sport 1-9 dport 80 lookup 7 protocol 99",
        "rule add priority 102 not fwmark 1/3 iif d0 lookup 1000 suppress_prefixlength 0",
        "rule add priority 103 tun_id 7 lookup 7",
        "rule add priority 104 from 10.0.0.0/8 lookup 7 suppress_ifgroup 3 realms 4",
        "-6 rule add priority 105 l3mdev",
    ];

    [Fact]
    public void Routes_rules_and_nexthops_that_are_read_and_added_again_are_what_they_were()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        using var network = new TestNetwork();
        AddPair(network);
        network.Run("ip", "addr", "add", "2001:db8::1/64", "dev", "d0", "nodad");
        string[] refused = [.. s_routes.Concat(s_rules).Where(c => network.TryRun("ip", c.Split(' ')).Code != 0)];
        Assert.True(refused.Length <= 4, string.Join('\n', refused));
        network.Run("ip", "nexthop", "add", "id", "5", "via", "203.0.113.7", "dev", "d0", "onlink", "protocol", "99");
        network.Run("ip", "nexthop", "add", "id", "6", "via", "192.0.2.2", "dev", "d0");
        network.Run("ip", "nexthop", "add", "id", "7", "group", "5,3/6");
        network.Run("ip", "nexthop", "add", "id", "8", "group", "5,2/6", "type", "resilient", "buckets", "16", "idle_timer", "30",
            "unbalanced_timer", "600");
        network.Run("ip", "route", "add", "10.6.0.0/16", "nhid", "7");
        string before = Shown(network);

        Route[] routes = [.. network.Route.ReadRoutes().Where(r => r.Protocol != RouteProtocol.Kernel)];
        Rule[] rules = [.. network.Route.ReadRules().Where(r => r.Priority is >= 100 and <= 40000 and not (32766 or 32767))];
        Nexthop[] nexthops = [.. network.Route.ReadNexthops().OrderBy(n => !n.Group.IsEmpty)];
        Assert.True(routes.Length >= 7 && rules.Length >= 4, $"{routes.Length} routes, {rules.Length} rules");
        foreach (RouteObject one in routes.Concat<RouteObject>(rules).Concat(nexthops.Reverse()))
            network.Route.Delete(one);
        Assert.DoesNotContain("10.", network.Run("ip", "route"));
        foreach (RouteObject one in nexthops.Concat<RouteObject>(routes).Concat(rules.OrderByDescending(r => r.Priority)))
            network.Route.Add(one);
        Assert.Equal(before, Shown(network));
    }

    /// <summary>The kernel's guide "Resilient Next-hop Groups": each nexthop has as many of the buckets as its share says.</summary>
    [Fact]
    public void A_resilient_group_is_what_ip_shows_and_its_buckets_are_shared_by_weight()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        using var network = new TestNetwork();
        AddPair(network);
        int link = network.Route.GetLink("d0").Index;
        network.Route.Add(new Nexthop(5) { Gateway = System.Net.IPAddress.Parse("192.0.2.5"), LinkIndex = link });
        network.Route.Add(new Nexthop(6) { Gateway = System.Net.IPAddress.Parse("192.0.2.6"), LinkIndex = link });
        var group = new Nexthop(8)
        {
            Group = [new NexthopMember(5, 3), new NexthopMember(6)],
            Resilient = new ResilientGroup(32) { IdleTimer = TimeSpan.FromSeconds(2.5), UnbalancedTimer = TimeSpan.FromSeconds(90) },
        };
        network.Route.Add(group);
        Assert.Contains("id 8 group 5,3/6 type resilient buckets 32 idle_timer 2.5 unbalanced_timer 90 ",
            network.Run("ip", "nexthop", "show", "id", "8") + " ");
        Nexthop read = network.Route.ReadNexthops().Single(n => n.Id == 8);
        Assert.Equal(group.Resilient, read.Resilient! with { UnbalancedTime = null });
        network.Route.Add(new Nexthop(9) { Group = [new NexthopMember(6)], Resilient = new ResilientGroup(4) });
        NexthopBucket[] buckets = [.. network.Route.ReadNexthopBuckets(8)];
        Assert.Equal(Enumerable.Range(0, 32), buckets.Select(b => b.Index));
        Assert.Equal((24, 8), (buckets.Count(b => b.NexthopId == 5), buckets.Count(b => b.NexthopId == 6)));
        Assert.All(buckets, b => Assert.Equal(8u, b.GroupId));
        Assert.Equal(36, network.Route.ReadNexthopBuckets().Length);
    }

    /// <summary>linux/nexthop.h, struct nexthop_grp: nothing limits a group but the attribute.</summary>
    [Fact]
    public void A_group_of_more_nexthops_than_512_has_all_of_them()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        AddPair(network);
        int link = network.Route.GetLink("d0").Index;
        RouteBatch batch = network.Route.CreateBatch();
        for (uint i = 1; i <= 600; i++)
            batch.Add(new Nexthop(i) { LinkIndex = link });
        batch.SendAll();
        network.Route.Add(new Nexthop(1000) { Group = [.. Enumerable.Range(1, 600).Select(i => new NexthopMember((uint)i, 256))] });
        Assert.Equal(Enumerable.Range(1, 600).Select(i => new NexthopMember((uint)i, 256)),
            network.Route.ReadNexthops().Single(n => n.Id == 1000).Group);
    }

    /// <summary>What the kernel has room for, in bytes, and not one more: IFNAMSIZ, ALTIFNAMSIZ, IFALIASZ, NF_LOG_PREFIXLEN, each without
    /// the NUL, as linux/if.h and linux/netfilter/nf_log.h have them. Comments are nft's.</summary>
    [Theory]
    [InlineData("link", 15)]
    [InlineData("alternative name", 127)]
    [InlineData("label", 15)]
    [InlineData("alias", 255)]
    [InlineData("log prefix", 127)]
    [InlineData("device of a set", 15)]
    [InlineData("comment", 127)]
    [InlineData("table", 255)]
    public void A_name_has_as_many_bytes_as_the_kernel_has_room_for(string what, int most)
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        AddPair(network);
        int link = network.Route.GetLink("d0").Index;
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var table = new NftTable(NftFamily.Inet, "t");
        var chain = new NftChain(table, "c");
        var set = new NftSet(table, "s", NftType.LinkName);
        // Two bytes each; names in nftables are ASCII.
        string longest = what == "table" ? new string('a', most) : "a" + new string('ä', most / 2);
        Assert.Equal(most, System.Text.Encoding.UTF8.GetByteCount(longest));
        Assert.Equal(longest, Made(longest));
        Assert.Contains($" {most + 1}", Assert.Throws<ArgumentException>(() => Made(longest + "b")).Message);

        if (what == "alias")
            Assert.True(Made("") is null or "");

        string? Made(string text)
        {
            NftRule rule = new(chain);
            switch (what)
            {
                case "link":
                    network.Route.Add(new VethLink { Name = text, Peer = new Link { Name = "p0" } });
                    return network.Route.ReadLinks().Single(l => l.Name!.Length > 2).Name;
                case "alternative name":
                    network.Route.Add(new AlternativeName(link, text));
                    return network.Route.GetLink("d0").AlternativeNames.Single();
                case "label":
                    network.Route.Add(Address.Parse(link, "10.9.9.9/24") with { Label = text });
                    return network.Route.ReadAddresses(link).Single(a => a.Local.ToString() == "10.9.9.9").Label;
                case "alias":
                    network.Route.Change(new Link { Index = link, Alias = text });
                    return network.Route.GetLink("d0").Alias;
                case "device of a set":
                    nft.Execute(new NftBatch().Add(table).Add(set).Add(set.Elements(text)));
                    return nft.ReadElements(set).Single().Format(set).Trim('"');
                case "table":
                    nft.Execute(new NftBatch().Add(new NftTable(NftFamily.Inet, text)));
                    return nft.ReadTables().Single().Table;
                default:
                    rule = what == "comment" ? rule.WithComment(text) : rule.Log(text);
                    nft.Execute(new NftBatch().Add(table).Add(chain).Add(rule));
                    NftRule read = nft.ReadRules(table).Single();
                    return what == "comment" ? read.Comment : ((LogExpression)read.Expressions.Single()).Prefix;
            }
        }
    }

    [Fact]
    public void What_is_deleted_is_the_one_that_was_read_and_none_beside_it()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        using var network = new TestNetwork();
        AddPair(network);
        network.Run("ip", "route", "add", "10.1.0.0/16", "via", "192.0.2.3");
        network.Run("ip", "route", "add", "10.1.0.0/16", "tos", "0x10", "via", "192.0.2.2");
        network.Run("ip", "rule", "add", "priority", "100", "dport", "80", "lookup", "7");
        network.Run("ip", "rule", "add", "priority", "100", "dport", "81", "lookup", "7");
        Route low = network.Route.ReadRoutes().Single(r => r.Tos == 0x10);
        network.Route.Delete(low);
        Assert.Equal("192.0.2.3", network.Route.ReadRoutes().Single(r => r.Destination.ToString() == "10.1.0.0/16").Gateway!.ToString());
        network.Route.Delete(network.Route.ReadRules().Single(r => r.DestinationPorts == new RuleRange(81, 81)));
        Assert.Equal(new RuleRange(80, 80), Assert.Single(network.Route.ReadRules(), r => r.Priority == 100).DestinationPorts);
    }

    /// <summary>linux/if.h: IFNAMSIZ and ALTIFNAMSIZ are bytes.</summary>
    [Fact]
    public void A_link_is_found_by_a_name_of_few_characters_and_many_bytes()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        using var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "d0", Peer = new Link { Name = "d1" } });
        network.Run("ip", "link", "property", "add", "dev", "d0", "altname", "ääääääääää");
        Assert.Equal("d0", network.Route.GetLink("ääääääääää").Name);
        Assert.Null(network.Route.FindLink("öööööööööö"));
    }

    // What runs, and the order of nexthops' flags, are another matter.
    private static string Shown(TestNetwork network)
    {
        string[] commands = ["-d route", "-d -6 route", "-d rule", "-d -6 rule", "-d nexthop"];
        IEnumerable<string> lines = commands.SelectMany(c => network.Run("ip", c.Split(' ')).Split('\n'));
        return string.Join('\n', lines.Select(l => Regex.Replace(l.Trim(), @"expires [0-9]+sec", "expires")).Where(l => l.Length > 0)
            .Order(StringComparer.Ordinal));
    }

    private static void AddPair(TestNetwork network)
    {
        network.Route.Add(new VethLink { Name = "d0", Peer = new Link { Name = "d1" } });
        network.Route.SetUp("d0");
        network.Route.SetUp("d1");
        network.Run("ip", "addr", "add", "192.0.2.1/24", "dev", "d0");
    }
}
