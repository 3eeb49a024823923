using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Random addresses, routes and rules, made by this library and by ip(8), read by both.</summary>
public class RouteAgreementTests
{
    private static Gen<T?> Maybe<T>(Gen<T> value) where T : struct => Gen.OneOf(value.Select(v => (T?)v), Gen.Constant((T?)null));

    private static readonly Gen<bool> s_flag = Gen.Elements(true, false);

    private static Gen<Address> AddressOf(int link) =>
        from v6 in s_flag
        from host in Gen.Choose(1, 250)
        from net in Gen.Choose(0, 3)
        from prefix in Gen.Choose(8, 32)
        from metric in Maybe(Gen.Choose(1, 1000).Select(n => (uint)n))
        from broadcast in s_flag
        from label in s_flag
        from scope in Maybe(Gen.Elements(RouteScope.Universe, RouteScope.Link))
        select v6
            ? new Address(link, IPAddress.Parse($"fd00:{net}::{host:x}"), prefix * 4) { Metric = metric, Flags = AddressFlags.NoDad }
            : new Address(link, IPAddress.Parse($"10.{net}.7.{host}"), prefix)
            {
                Metric = metric,
                Broadcast = broadcast ? IPAddress.Parse($"10.{net}.7.255") : null,
                Label = label ? "link0:x" : null,
                Scope = scope,
            };

    [Fact]
    public void Random_addresses_are_made_and_read_as_ip_makes_and_reads_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(60)),
            Prop.ForAll(Arb.From(from address in AddressOf(100) from byIp in s_flag select (address, byIp)), pair =>
            {
                using TestNetwork network = Connected();
                Address wanted = pair.address;
                if (pair.byIp)
                    network.Run("ip", [.. Words(wanted)]);
                else
                    network.Route.Add(wanted);
                Address read = network.Route.ReadAddresses(100).Single(a => a.Local.Equals(wanted.Local));
                Assert.Empty(Meaning.Differences(wanted with { Flags = AddressFlags.None }, read, "Flags"));
                Assert.True(read.Flags.HasFlag(AddressFlags.Permanent));
                JsonElement json = network.Json("ip", "-d", "-json", "address", "show", "dev", "link0")[0].GetProperty("addr_info")
                    .EnumerateArray().Single(a => IpTool.Text(a, "local") == wanted.Local.ToString());
                Assert.Empty(Meaning.Differences(IpTool.ReadAddress(100, json), read, "Flags"));
                network.Route.Delete(wanted);
                Assert.DoesNotContain(network.Route.ReadAddresses(100), a => a.Local.Equals(wanted.Local));
            }));
    }

    private static Gen<Route> RouteGen =>
        from v6 in s_flag
        from way in Gen.Choose(0, 4)
        from net in Gen.Choose(0, 200)
        from prefix in Gen.Choose(0, 16)
        from metric in Maybe(Gen.Choose(1, 5000).Select(n => (uint)n))
        from table in Maybe(Gen.Choose(256, 100_000).Select(n => (uint)n))
        from mtu in Maybe(Gen.Choose(1280, 1400).Select(n => (uint)n))
        from window in Maybe(Gen.Choose(5, 20).Select(n => (uint)n))
        from weight in Gen.Choose(1, 256)
        from source in s_flag
        select (new Route(v6 ? Network($"fd77:{net:x}::", 16 + prefix) : Network($"172.{net}.0.0", prefix))
        {
            Type = way == 4 ? RouteType.Blackhole : RouteType.Unicast,
            Gateway = way == 0 ? Hop(v6, 2) : null,
            LinkIndex = way is 0 or 1 ? 100 : null,
            Multipath = way == 2 ? [new RouteHop(Hop(v6, 2), 100, weight), new RouteHop(Hop(v6, 3), 100, 1)] : [],
            PreferredSource = source && way < 2 ? Hop(v6, 1) : null,
            OnLink = false,
            Metric = metric,
            Table = table,
            Protocol = RouteProtocol.Static,
            Metrics = way == 4 || (mtu is null && window is null) ? null : new RouteMetrics { Mtu = mtu, InitialCongestionWindow = window },
            Scope = null,
        }) with
        { Gateway = way is 0 or 3 ? (way == 3 && !v6 ? Hop(true, 2) : Hop(v6, 2)) : null, LinkIndex = way is 0 or 1 or 3 ? 100 : null };

    [Fact]
    public void Random_routes_are_made_and_read_as_ip_makes_and_reads_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(80)),
            Prop.ForAll(Arb.From(from route in RouteGen from byIp in s_flag select (route, byIp)), pair =>
            {
                using TestNetwork network = Connected();
                network.Route.Add(Address.Parse(100, "10.0.0.1/24"));
                network.Route.Add(Address.Parse(100, "fd00::1/64") with { Flags = AddressFlags.NoDad });
                Route wanted = pair.route;
                bool v6 = wanted.Destination.BaseAddress.AddressFamily == System.Net.Sockets.AddressFamily.InterNetworkV6;
                if (pair.byIp)
                    network.Run("ip", [v6 ? "-6" : "-4", "route", "add", .. Words(wanted)]);
                else
                    network.Route.Add(wanted);
                Route read = network.Route.ReadRoutes(wanted.Table)
                    .Single(r => r.Destination.Equals(wanted.Destination) && r.Protocol == RouteProtocol.Static);
                Assert.Empty(Meaning.Differences(wanted, read, "Scope"));
                JsonElement json = network.Json("ip", [v6 ? "-6" : "-4", "-d", "-json", "route", "show", "table",
                    (wanted.Table ?? Route.MainTable).ToString(CultureInfo.InvariantCulture), "proto", "static"])[0];
                var names = network.Route.ReadLinks().ToDictionary(l => l.Name!, l => l.Index);
                Assert.Empty(Meaning.Differences(IpTool.ReadRoute(json, v6, n => names[n]), read, "Scope", "Table", "Protocol"));
                network.Route.Delete(wanted);
                Assert.DoesNotContain(network.Route.ReadRoutes(wanted.Table), r => r.Protocol == RouteProtocol.Static);
            }));
    }

    [Fact]
    public void Random_rules_are_made_and_read_as_ip_makes_and_reads_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        Gen<Rule> rules =
            from v6 in s_flag
            from priority in Gen.Choose(1, 30_000)
            from source in s_flag
            from destination in s_flag
            from mark in Maybe(Gen.Choose(1, int.MaxValue).Select(n => (uint)n))
            from mask in Maybe(Gen.Choose(1, 0xffff).Select(n => (uint)n))
            from table in Gen.Choose(256, 100_000)
            from input in s_flag
            from action in Gen.Elements(RuleAction.Table, RuleAction.Blackhole, RuleAction.Prohibit, RuleAction.Unreachable)
            from inverted in s_flag
            select new Rule
            {
                IPv6 = v6,
                Priority = (uint)priority,
                Mark = mark,
                MarkMask = mark is null ? null : mask,
                Table = action == RuleAction.Table ? (uint)table : null,
                Action = action,
                Inverted = inverted,
                Source = source ? Network(v6 ? "fd11::" : "10.11.0.0", 16) : null,
                Destination = destination ? Network(v6 ? "fd12::" : "10.12.0.0", 16) : null,
                InputInterface = input ? "link0" : null,
            };
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(60)),
            Prop.ForAll(Arb.From(from rule in rules from byIp in s_flag select (rule, byIp)), pair =>
            {
                using TestNetwork network = Connected();
                Rule wanted = pair.rule;
                string family = wanted.IPv6 ? "-6" : "-4";
                if (pair.byIp)
                    network.Run("ip", [family, "rule", "add", .. Words(wanted)]);
                else
                    network.Route.Add(wanted);
                Rule read = network.Route.ReadRules().Single(r => r.Priority == wanted.Priority && r.IPv6 == wanted.IPv6);
                Assert.Empty(Meaning.Differences(wanted, read, "Mark"));
                Assert.Equal(wanted.Mark, read.Mark);
                // ip prints what it would be told.
                JsonElement json = network.Json("ip", family, "-d", "-json", "rule", "show", "priority",
                    wanted.Priority!.Value.ToString(CultureInfo.InvariantCulture))[0];
                Assert.Equal(wanted.Source is null ? "all" : wanted.Source.Value.BaseAddress.ToString(), IpTool.Text(json, "src"));
                Assert.Equal(wanted.Destination?.BaseAddress.ToString(), IpTool.Text(json, "dst"));
                Assert.Equal(wanted.InputInterface, IpTool.Text(json, "iif"));
                Assert.Equal(wanted.Table?.ToString(CultureInfo.InvariantCulture), IpTool.Text(json, "table"));
                Assert.Equal(wanted.Mark is { } m ? $"0x{m:x}" : null, IpTool.Text(json, "fwmark"));
                Assert.Equal(wanted.Inverted, json.TryGetProperty("not", out _));
                network.Route.Delete(wanted);
                Assert.DoesNotContain(network.Route.ReadRules(), r => r.Priority == wanted.Priority && r.IPv6 == wanted.IPv6);
            }));
    }

    [Fact]
    public void Neighbours_nexthops_and_bridge_ports_are_read_as_ip_and_bridge_read_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        using TestNetwork network = Connected();
        network.Route.Add(Address.Parse(100, "10.0.0.1/24"));
        network.Route.Add(new Neighbour(100, IPAddress.Parse("10.0.0.9")) { Address = PhysicalAddress.Parse("02:00:00:00:00:09") });
        network.Run("ip", "neigh", "add", "10.0.0.8", "lladdr", "02:00:00:00:00:08", "dev", "link0", "nud", "reachable");
        ImmutableArray<Neighbour> neighbours = network.Route.ReadNeighbours();
        Assert.Equal(NeighbourStates.Permanent, neighbours.Single(n => n.Destination.ToString() == "10.0.0.9").State);
        Assert.Equal("020000000008", neighbours.Single(n => n.Destination.ToString() == "10.0.0.8").Address!.ToString());
        JsonElement byIp = network.Json("ip", "-json", "neigh", "show").EnumerateArray().Single(n => IpTool.Text(n, "dst") == "10.0.0.9");
        Assert.Equal(("02:00:00:00:00:09", "PERMANENT"), (IpTool.Text(byIp, "lladdr"), byIp.GetProperty("state")[0].GetString()));

        network.Route.Add(new Nexthop(7) { Gateway = IPAddress.Parse("10.0.0.9"), LinkIndex = 100 });
        network.Run("ip", "nexthop", "add", "id", "8", "via", "10.0.0.8", "dev", "link0");
        network.Route.Add(new Nexthop(9) { Group = [new NexthopMember(7, 3), new NexthopMember(8)] });
        network.Route.Add(new Route(Network("10.9.0.0", 16)) { NexthopId = 9 });
        ImmutableArray<Nexthop> nexthops = network.Route.ReadNexthops();
        Assert.Equal(new Nexthop(8) { Gateway = IPAddress.Parse("10.0.0.8"), LinkIndex = 100 }, nexthops.Single(n => n.Id == 8));
        Assert.Equal([new NexthopMember(7, 3), new NexthopMember(8, 1)], nexthops.Single(n => n.Id == 9).Group);
        JsonElement group = network.Json("ip", "-json", "nexthop", "show", "id", "9")[0].GetProperty("group");
        Assert.Equal((7, 3), ((int)IpTool.Number(group[0], "id")!, (int)IpTool.Number(group[0], "weight")!));
        Assert.Equal(9u, network.Route.ReadRoutes().Single(r => r.Destination.BaseAddress.ToString() == "10.9.0.0").NexthopId);

        network.Route.Add(new BridgeLink { Name = "br0" });
        network.Route.Change(new Link { Name = "link0", Master = network.Route.GetLink("br0").Index });
        network.Route.Change(new Link
        {
            Name = "link0",
            BridgePort = new BridgePort { Isolated = true, Hairpin = true, Cost = 42, Learning = false }
        });
        BridgePort port = network.Route.GetLink("link0").BridgePort!;
        Assert.Empty(Meaning.Differences(
            new BridgePort { Isolated = true, Hairpin = true, Cost = 42, Learning = false, UnicastFlood = true }, port));
        JsonElement byBridge = network.Json("bridge", "-d", "-json", "link", "show", "dev", "link0")[0];
        Assert.Equal((true, true, false, 42L), (byBridge.GetProperty("isolated").GetBoolean(), byBridge.GetProperty("hairpin").GetBoolean(),
            byBridge.GetProperty("learning").GetBoolean(), IpTool.Number(byBridge, "cost")));
        network.Run("bridge", "link", "set", "dev", "link0", "flood", "off", "guard", "on");
        Assert.Empty(Meaning.Differences(new BridgePort { UnicastFlood = false, Guard = true, Cost = 42 },
            network.Route.GetLink("link0").BridgePort!));
    }

    private static TestNetwork Connected()
    {
        var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "link0", Index = 100, Up = true, Peer = new Link { Name = "link1" } });
        network.Route.SetUp("link1");
        return network;
    }

    private static IPNetwork Network(string address, int prefix) => Route.Network(IPAddress.Parse(address), prefix);

    private static IPAddress Hop(bool v6, int host) => IPAddress.Parse(v6 ? $"fd00::{host}" : $"10.0.0.{host}");

    private static IEnumerable<string> Words(Address address)
    {
        List<string> words = ["address", "add", address.ToString(), "dev", "link0"];
        if (address.Metric is { } metric)
            words.AddRange(["metric", metric.ToString(CultureInfo.InvariantCulture)]);
        if (address.Broadcast is not null)
            words.AddRange(["broadcast", address.Broadcast.ToString()]);
        if (address.Label is not null)
            words.AddRange(["label", address.Label]);
        if (address.Scope is { } scope)
            words.AddRange(["scope", scope == RouteScope.Link ? "link" : "global"]);
        if (address.Flags.HasFlag(AddressFlags.NoDad))
            words.Add("nodad");
        return words;
    }

    private static IEnumerable<string> Words(Route route)
    {
        List<string> words = [];
        void Via(IPAddress gateway) => words.AddRange(gateway.AddressFamily == route.Destination.BaseAddress.AddressFamily
            ? ["via", gateway.ToString()]
            : ["via", "inet6", gateway.ToString()]);
        if (route.Type != RouteType.Unicast)
            words.Add(route.Type.ToString().ToLowerInvariant());
        words.Add(route.Destination.PrefixLength == 0 ? "default" : route.Destination.ToString());
        if (route.Gateway is not null)
            Via(route.Gateway);
        if (route.LinkIndex is not null)
            words.AddRange(["dev", "link0"]);
        if (route.Table is { } table)
            words.AddRange(["table", table.ToString(CultureInfo.InvariantCulture)]);
        if (route.Metric is { } metric)
            words.AddRange(["metric", metric.ToString(CultureInfo.InvariantCulture)]);
        words.AddRange(["proto", "static"]);
        if (route.PreferredSource is not null)
            words.AddRange(["src", route.PreferredSource.ToString()]);
        if (route.Metrics?.Mtu is { } mtu)
            words.AddRange(["mtu", mtu.ToString(CultureInfo.InvariantCulture)]);
        if (route.Metrics?.InitialCongestionWindow is { } window)
            words.AddRange(["initcwnd", window.ToString(CultureInfo.InvariantCulture)]);
        foreach (RouteHop hop in route.Multipath)
        {
            words.Add("nexthop");
            Via(hop.Gateway!);
            words.AddRange(["dev", "link0", "weight", hop.Weight.ToString(CultureInfo.InvariantCulture)]);
        }

        return words;
    }

    private static IEnumerable<string> Words(Rule rule)
    {
        List<string> words = rule.Inverted ? ["not"] : [];
        words.AddRange(["from", rule.Source?.ToString() ?? "all"]);
        if (rule.Destination is { } destination)
            words.AddRange(["to", destination.ToString()]);
        words.AddRange(["priority", rule.Priority!.Value.ToString(CultureInfo.InvariantCulture)]);
        if (rule.Mark is { } mark)
            words.AddRange(["fwmark", rule.MarkMask is { } mask ? $"{mark}/{mask}" : $"{mark}"]);
        if (rule.InputInterface is not null)
            words.AddRange(["iif", rule.InputInterface]);
        words.AddRange(rule.Action == RuleAction.Table
            ? ["lookup", rule.Table!.Value.ToString(CultureInfo.InvariantCulture)]
            : [rule.Action.ToString().ToLowerInvariant()]);
        return words;
    }
}
