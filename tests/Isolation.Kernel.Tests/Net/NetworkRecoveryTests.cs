using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Isolation.Net;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What a container took from the host comes back as it was, and what others took from its network too.</summary>
public class NetworkRecoveryTests
{
    private const string Serve = "socat TCP4-LISTEN:80,fork,reuseaddr SYSTEM:'echo hello' & ";

    [Theory]
    [InlineData("true", 0)]
    [InlineData("no-such-command", 127)]
    [InlineData("ip link set eth0 name other; ip addr flush dev other; ip link set other mtu 1300", 0)]
    public void A_moved_link_comes_back_with_its_name_addresses_and_routes(string script, int code)
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        Testing.Host.NeedsTool("ip");
        host.Host.Run("ip", "link", "set", "up0", "mtu", "1400");
        host.Host.Run("ip", "addr", "add", "192.0.2.3/24", "dev", "up0");
        host.Host.Run("ip", "route", "add", "default", "via", NetworkHost.WorldAddress);
        host.Host.Run("ip", "route", "add", "198.51.100.0/24", "dev", "up0", "metric", "7");
        host.Host.Run("ip", "-6", "route", "add", "2001:db8:1::/48", "via", NetworkHost.WorldV6);
        string before = Shown(host);
        string[] command = script == "true" || script.StartsWith("no-") ? [script] : ["sh", "-c", script];
        (int ended, string output) = host.Launch(["run", "--cap-add", "NET_ADMIN", "--mac-address", "02:00:00:00:00:77", "--network",
            "link:up0:192.0.2.9/24", "--", .. command]);
        Assert.True(ended == code, output);
        Assert.Equal(before, Shown(host));
        // one that was down stays down
        host.Host.Run("ip", "link", "set", "up0", "down");
        before = Shown(host);
        host.Launch(["run", "--network", "link:up0", "--", .. command]);
        Assert.Equal(before, Shown(host));
    }

    /// <summary>By netlink, for ip(8) shows only what its version knows: <c>IFA_PROTO</c> (linux/if_addr.h, Linux 5.18) since iproute2
    /// 5.18.</summary>
    [Fact]
    public void A_moved_link_comes_back_with_all_that_the_kernel_tells_of_its_addresses_and_routes()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        RouteSocket route = host.Host.Route;
        int up0 = route.GetLink("up0").Index;
        route.Add(new VethLink { Name = "other", Peer = new Link { Name = "another" } });
        route.SetUp("other");
        route.SetUp("another");
        int other = route.GetLink("other").Index;
        route.Add(Address.Parse(other, "198.51.100.1/24"));
        route.Add(Address.Parse(up0, "192.0.2.3/24") with
        {
            Label = "up0:x",
            Protocol = (AddressProtocol)77,
            Metric = 5,
            Broadcast = IPAddress.Parse("192.0.2.255")
        });
        route.Add(new Address(up0, IPAddress.Parse("203.0.113.1"), 32) { Peer = IPAddress.Parse("203.0.113.2"), Scope = RouteScope.Link });
        route.Add(Address.Parse(up0, "192.0.2.4/24") with
        {
            Flags = AddressFlags.NoPrefixRoute,
            ValidLifetime = TimeSpan.FromHours(2),
            PreferredLifetime = TimeSpan.FromHours(1)
        });
        route.Add(Address.Parse(up0, "192.0.2.5/24") with { ValidLifetime = TimeSpan.FromSeconds(1) });
        route.Add(Address.Parse(up0, "2001:db8::9/64") with
        {
            Flags = AddressFlags.ManageTemporaryAddresses | AddressFlags.NoDad,
            Protocol = (AddressProtocol)78,
            Metric = 9
        });
        route.Add(new Nexthop(7) { Gateway = IPAddress.Parse(NetworkHost.WorldAddress), LinkIndex = up0 });
        route.Add(new Route(IPNetwork.Parse("10.1.0.0/16")) { NexthopId = 7 });
        route.Add(new Route(IPNetwork.Parse("10.2.0.0/16"))
        {
            Gateway = IPAddress.Parse(NetworkHost.WorldAddress),
            LinkIndex = up0,
            Table = 1000,
            Protocol = (RouteProtocol)99,
            Metric = 3
        });
        route.Add(new Route(IPNetwork.Parse("10.3.0.0/16"))
        {
            Multipath = [new RouteHop(IPAddress.Parse(NetworkHost.WorldAddress), up0, 2),
                new RouteHop(IPAddress.Parse("198.51.100.2"), other)],
        });
        Address[] before = Addresses();
        Assert.Contains(before, a => a.Protocol == AddressProtocol.KernelLinkLocal && a.Local.IsIPv6LinkLocal);
        Route[] routes = Routes();
        host.LaunchOutput("run", "--network", "link:up0:192.0.2.9/24", "--", "sleep", "1.1");
        // what had a second left is over
        Assert.Equal(before.Where(a => a.Local.ToString() != "192.0.2.5"), Addresses());
        Assert.Equal(routes, Routes());
        Address limited = route.ReadAddresses().Single(a => a.Local.ToString() == "192.0.2.4");
        Assert.InRange(limited.ValidLifetime!.Value.TotalSeconds, 7000, 7198);
        Assert.InRange(limited.PreferredLifetime!.Value.TotalSeconds, 3400, 3598);

        // Without the numbers that run, and the state that asking for duplicates leaves; links by name, for the number may be another.
        Address[] Addresses()
        {
            for (int i = 0; i < 100 && route.ReadAddresses().Any(a => a.Flags.HasFlag(AddressFlags.Tentative)); i++)
                Thread.Sleep(50);
            int index = route.GetLink("up0").Index;
            return [.. route.ReadAddresses(index).Where(a =>
                a.LinkIndex == index && !(a.Local.AddressFamily == AddressFamily.InterNetworkV6 && a.Flags.HasFlag(AddressFlags.Secondary)))
                .Select(a => a with { LinkIndex = 0, Flags = a.Flags & ~AddressFlags.NoDad, ValidLifetime = null,
                    PreferredLifetime = null }).OrderBy(a => a.ToString(), StringComparer.Ordinal)];
        }

        Route[] Routes() => [.. route.ReadRoutes(Route.AllTables)
            .Where(r => r.Table != Route.LocalTable && !r.Destination.Contains(IPAddress.Parse("192.0.2.5")))
            .OrderBy(r => r.ToString(), StringComparer.Ordinal)];
    }

    /// <summary>ip-neighbour(8), tc(8) and sysctl(8) tell the same before and after; the kernel forgets all of that when a link moves
    /// (dev_change_net_namespace).</summary>
    [Fact]
    public void A_moved_link_comes_back_with_its_neighbours_disciplines_and_sysctls()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("tc");
        using var host = new NetworkHost();
        string[] commands =
        [
            "ip neigh add 192.0.2.77 lladdr 02:00:00:00:00:77 dev up0",
            "ip neigh add 2001:db8::77 lladdr 02:00:00:00:00:77 dev up0 router",
            "ip neigh add proxy 192.0.2.78 dev up0",
            "tc qdisc add dev up0 root handle 1: htb default 20",
            "tc class add dev up0 parent 1: classid 1:1 htb rate 100mbit",
            "tc class add dev up0 parent 1:1 classid 1:10 htb rate 30mbit ceil 60mbit prio 1",
            "tc class add dev up0 parent 1:1 classid 1:20 htb rate 20mbit",
            "tc qdisc add dev up0 parent 1:10 handle 10: fq_codel limit 999",
            "tc qdisc add dev up0 parent 1:20 handle 20: sfq perturb 7",
            "tc filter add dev up0 parent 1: protocol ip prio 3 u32 match ip dport 80 0xffff flowid 1:10",
            "tc qdisc add dev up0 clsact",
            "tc filter add dev up0 ingress protocol all prio 5 matchall action drop",
        ];
        // A kernel may lack kinds of disciplines and filters; the neighbours it has.
        string[] refused = [.. commands.Where(c => host.Host.TryRun(c.Split(' ')[0], c.Split(' ')[1..]).Code != 0)];
        Assert.True(!refused.Any(c => c.StartsWith("ip")), string.Join('\n', refused));
        foreach ((string path, string value) in new[] { ("ipv4/conf/up0/rp_filter", "2"), ("ipv4/conf/up0/proxy_arp", "1"),
            ("ipv6/conf/up0/accept_ra", "0"), ("ipv6/conf/up0/hop_limit", "77"), ("ipv4/neigh/up0/gc_stale_time", "99"),
            ("ipv6/neigh/up0/ucast_solicit", "5") })
            host.Host.Run("sh", "-c", $"echo {value} > /proc/sys/net/{path}");
        string before = Shown();
        Assert.Contains("ipv6/conf/up0/hop_limit:77", before);
        host.LaunchOutput("run", "--network", "link:up0:192.0.2.9/24", "--", "true");
        Assert.Equal(before, Shown());

        // Without counters. A burst is kept to the byte, which is several of the ticks that tc computes it from.
        string Shown()
        {
            IEnumerable<string> lines = new[] { "ip neigh show nud permanent", "ip neigh show proxy", "tc qdisc show dev up0",
                "tc class show dev up0", "tc filter show dev up0", "tc filter show dev up0 ingress" }
                .SelectMany(c => host.Host.Run(c.Split(' ')[0], c.Split(' ')[1..]).Split('\n'))
                .Concat(host.Host.Run("sh", "-c", "cd /proc/sys/net; grep -s . ipv[46]/conf/up0/* ipv[46]/neigh/up0/*; true").Split('\n'));
            return string.Join('\n', lines.Select(l => Regex.Replace(l.Trim(), "direct_packets_stat [0-9]+|c?burst [0-9]+b", ""))
                .Where(l => l.Length > 0 && !l.Contains("stable_secret")).Order(StringComparer.Ordinal));
        }
    }

    [Fact]
    public void A_moved_link_whose_name_is_taken_meanwhile_comes_back_under_another()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running running = host.StartReady(["--network", "link:up0"], "echo ready; sleep 600");
        host.Host.Route.Add(new VethLink { Name = "up0", Peer = new Link { Name = "up1" } });
        running.Stop();
        // The kernel finds the number, and another one when it renames.
        Assert.Contains(host.Host.Route.ReadLinks(), l => l.Name!.StartsWith("link", StringComparison.Ordinal));
    }

    [Fact]
    public void After_a_flush_of_all_rules_the_next_start_publishes_every_port_again()
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        Testing.Host.NeedsTool("nft");
        using var host = new NetworkHost();
        using NetworkHost.Running a = host.StartReady(["--network", "one", "-p", "8080:80"], Serve + NetworkHost.ReadyWhenBound(1));
        using NetworkHost.Running b = host.StartReady(["--network", "one", "-p", "8081:80"], Serve + NetworkHost.ReadyWhenBound(1));
        using NetworkHost.Running c = host.StartReady(["--network", "two", "-p", "8082:80"], Serve + NetworkHost.ReadyWhenBound(1));
        string Answers() => string.Join(' ', new[] { 8080, 8081, 8082 }
            .Select(p => NetworkHost.Ask(host.World, $"TCP4:{NetworkHost.HostAddress}:{p}")).Select(t => t == "hello" ? "hello" : "-"));
        Assert.Equal("hello hello hello", Answers());
        string rules = host.Host.Run("nft", "list", "ruleset");
        foreach (string flush in new[] { "flush ruleset", "flush table inet isolation-one; flush table inet isolation-two" })
        {
            host.Host.Run("nft", flush);
            Assert.Equal("- - -", Answers());
            host.LaunchOutput("run", "--network", "one", "--", "true");
            Assert.Equal("hello hello hello", Answers());
            Assert.Equal(Sorted(rules), Sorted(host.Host.Run("nft", "list", "ruleset")));
        }
    }

    [Theory]
    [InlineData("all", "default")]
    [InlineData("default")]
    public void A_host_without_IPv6_has_networks_of_IPv4(params string[] disabled)
    {
        Testing.Host.NeedsRoot();
        Testing.Host.NeedsTool("socat");
        using var host = new NetworkHost();
        foreach (string scope in disabled)
            new NetworkSysctls(host.Host.Namespace).Write($"net.ipv6.conf.{scope}.disable_ipv6", "1");
        host.LaunchOutput("network", "create", "made");
        foreach (string network in new[] { "web", "made" })
        {
            using NetworkHost.Running a = host.StartReady(["--network", network, "-p", "8080:80", "--name", "a"],
                Serve + NetworkHost.ReadyWhenBound(1));
            Assert.Equal("hello", NetworkHost.Ask(host.World, $"TCP4:{NetworkHost.HostAddress}:8080"));
            Assert.Equal("hello", host.LaunchOutput("run", "--network", network, "--", "sh", "-c",
                "socat -t10 -T10 - TCP4:a:80,connect-timeout=3 </dev/null"));
            (int code, string output) = host.Launch("run", "--network", network, "--ip6", "fd00::5", "--", "true");
            Assert.Equal(125, code);
            Assert.Contains($"Network \"{network}\" has no IPv6.", output);
        }

        (int refused, string text) = host.Launch("run", "--network", "other", "--ip6", "fd00::5", "--", "true");
        Assert.Equal(125, refused);
        Assert.Contains("This host has no IPv6", text);
        Assert.Equal("", host.Leftovers());
    }

    [Fact]
    public void Addresses_that_others_have_are_left_out_and_those_that_cannot_be_are_told()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        host.LaunchOutput("network", "create", "--subnet", "10.90.0.0/24", "--subnet-v6", "fd00:90::/64", "n");
        using NetworkHost.Running a = host.StartReady(["--network", "n", "--ip", "10.90.0.9", "--ip6", "fd00:90::2", "--name", "a"],
            "echo ready; sleep 600");
        // the next free number is the same in both families
        string[] shown = host.LaunchOutput("run", "--network", "n", "--", "sh", "-c",
            "ip -o addr show eth0 | sed 's/.*inet6* //; s/ .*//'").Split('\n');
        Assert.Equal(["10.90.0.3/24", "fd00:90::3/64"], shown.Where(l => !l.StartsWith("fe80")));
        foreach ((string flag, string address, string expected) in new[]
        {
            ("--ip6", "2001:db8::5", "Its subnet is fd00:90::/64."), ("--ip6", "fd00:90::1", "It is the network's own, or its router's."),
            ("--ip6", "fd00:90::", "It is the network's own, or its router's."),
            ("--ip6", "fe80::5", "Its subnet is fd00:90::/64."), ("--ip", "10.90.0.255", "The last one for containers is 10.90.0.254."),
            ("--ip", "10.90.0.1", "It is the network's own, or its router's."),
            ("--ip6", "fd00:90::2", "Container a has it."), ("--ip", "10.90.9", "is not an IP address"),
        })
        {
            (int code, string output) = host.Launch("run", "--network", "n", flag, address, "--", "true");
            Assert.True(code == 125 && output.Contains(expected, StringComparison.Ordinal), $"{flag} {address}: {output}");
        }
    }

    [Fact]
    public void Two_containers_cannot_have_one_name()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        using NetworkHost.Running a = host.StartReady(["--network", "one", "--name", "a"], "echo ready; sleep 600");
        // Names of hosts are alike in either case, and networks do not matter: others find it by the name.
        (int code, string output) = host.Launch("run", "--network", "two", "--name", "A", "--", "true");
        Assert.Equal(125, code);
        Assert.Contains("It could not take the name \"A\". A container of network \"one\" has it", output);
    }

    [Fact]
    public void Networks_whose_files_are_in_the_way_or_gone_are_told_in_one_line()
    {
        Testing.Host.NeedsRoot();
        using var host = new NetworkHost();
        void Refused(string expected, params string[] arguments)
        {
            (int code, string output) = host.Launch(arguments);
            Assert.True(code == 125 && !output.Contains('\n') && output.Contains(expected, StringComparison.Ordinal),
                $"{string.Join(' ', arguments)}: {output}");
        }

        foreach (string word in new[] { "lock", "123" })
        {
            Refused("network.name: must ", "run", "--network", word, "--", "true");
            Refused("must ", "network", "create", word);
            Refused("name: must ", "run", "--name", word, "--", "true");
        }

        Refused("is not a number of bytes", "network", "create", "--mtu", "big", "n");
        // A network that was only in use, whose containers were killed: it is gone when it is looked at.
        NetworkHost.Running a = host.StartReady(["--network", "stale"], "echo ready; sleep 600");
        a.Process.Kill();
        a.Process.WaitForExit();
        Assert.Equal((0, ""), host.Launch("network", "rm", "stale"));
        Assert.Equal("", host.Leftovers());
        // Something else in the place of the state.
        Directory.Delete(host.StateDirectory + "/run", recursive: true);
        File.WriteAllText(host.StateDirectory + "/run", "");
        Refused("/run", "network", "ls");
        Refused("/run", "run", "--network", "web", "--", "true");
    }

    private static string Shown(NetworkHost host)
    {
        foreach (int attempt in Enumerable.Range(0, 100))
        {
            // Link-local addresses take a moment.
            if (!host.Host.Run("ip", "-o", "addr", "show", "dev", "up0").Contains("tentative"))
                break;
            Thread.Sleep(50);
        }

        string[] commands = ["-o link show dev up0", "-o addr show dev up0", "route show", "-6 route show"];
        return string.Join('\n',
            commands.SelectMany(c => host.Host.Run("ip", c.Split(' ')).Split('\n'))
                .Select(l => System.Text.RegularExpressions.Regex.Replace(l,
                    "^[0-9]+: |qdisc [a-z]+|state [A-Z]+|NO-CARRIER,|nodad ?|,LOWER_UP|linkdown ?|\\\\.*(valid_lft|link/)",
                    m => m.Groups[1].Value).Trim())
                .Order(StringComparer.Ordinal));
    }

    // Counters, and the order of tables, are another matter.
    private static string Sorted(string rules) =>
        NftAgreementTests.Sorted(System.Text.RegularExpressions.Regex.Replace(rules, "packets [0-9]+ bytes [0-9]+", ""));
}
