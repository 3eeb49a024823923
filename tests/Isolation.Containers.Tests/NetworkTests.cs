using System.Net;
using Isolation.Net.TrafficControl;

namespace Isolation.Containers.Tests;

/// <summary>Ports, policies and networks as data.</summary>
public class NetworkTests
{
    [Theory]
    [InlineData("8080:80", "8080:80/tcp")]
    [InlineData("80", "80:80/tcp")]
    [InlineData("127.0.0.1:8080:80/udp", "127.0.0.1:8080:80/udp")]
    [InlineData("0.0.0.0:8080:80", "0.0.0.0:8080:80/tcp")]
    [InlineData("[::]:8080:80", "[::]:8080:80/tcp")]
    [InlineData("[::1]:8080:80/sctp", "[::1]:8080:80/sctp")]
    [InlineData("7000-7009:8000-8009", "7000-7009:8000-8009/tcp")]
    public void Ports_are_read_as_docker_reads_them(string text, string shown)
    {
        Assert.Equal(shown, PublishedPort.Parse(text).ToString());
        Assert.Equal(PublishedPort.Parse(text), PublishedPort.Parse(shown));
    }

    /// <summary>docker-run(1): 0.0.0.0 is all of IPv4, [::] all of IPv6, nothing all of both.</summary>
    [Theory]
    [InlineData("80", "80", true)]
    [InlineData("80", "0.0.0.0:80:80", true)]
    [InlineData("80", "[::]:80:80", true)]
    [InlineData("80", "192.0.2.1:80:80", true)]
    [InlineData("80", "[::1]:80:80", true)]
    [InlineData("0.0.0.0:80:80", "[::]:80:80", false)]
    [InlineData("0.0.0.0:80:80", "192.0.2.1:80:80", true)]
    [InlineData("0.0.0.0:80:80", "[2001:db8::1]:80:80", false)]
    [InlineData("[::]:80:80", "[2001:db8::1]:80:80", true)]
    [InlineData("[::]:80:80", "192.0.2.1:80:80", false)]
    [InlineData("192.0.2.1:80:80", "192.0.2.2:80:80", false)]
    [InlineData("192.0.2.1:80:80", "192.0.2.1:79-81:79-81", true)]
    [InlineData("80", "80/udp", false)]
    [InlineData("80", "81", false)]
    public void Ports_overlap_where_an_address_has_both(string first, string second, bool overlap)
    {
        Assert.Equal(overlap, PublishedPort.Parse(first).Overlaps(PublishedPort.Parse(second)));
        Assert.Equal(overlap, PublishedPort.Parse(second).Overlaps(PublishedPort.Parse(first)));
    }

    /// <summary>resolv.conf(5): the last list of domains counts, options add up, and 0.0.0.0 is this host.</summary>
    [Fact]
    public void A_resolvers_file_is_read_and_servers_that_mean_another_host_inside_are_left_out()
    {
        ResolverFile file = ResolverFile.Parse(["# search no.example", "domain a.example", "search b.example\tc.example",
            "nameserver 127.0.0.53", "nameserver 0.0.0.0", " nameserver ::", "nameserver fe80::1%eth0",
            "nameserver fe80::2", "nameserver 2001:db8::53", "nameserver 192.0.2.53 ; ours", "nameserver nonsense", "options ndots:2 edns0",
                "options rotate", "sortlist 192.0.2.0", ""]);
        Assert.Equal(["2001:db8::53", "192.0.2.53"], file.Reachable.Select(a => a.ToString()));
        Assert.Equal(["b.example", "c.example"], file.SearchDomains);
        Assert.Equal(["ndots:2", "edns0", "rotate"], file.Options);
        Assert.Equal("nameserver 127.0.0.53\nnameserver fe80::1%eth0\n",
            (file with { NameServers = ["127.0.0.53", "fe80::1%eth0"], SearchDomains = [], Options = [] }).ToString());
        Assert.Equal("search d.example\nnameserver 192.0.2.1\noptions ndots:1\n",
            file.With(new NetworkSettings
            {
                NameServers = [IPAddress.Parse("192.0.2.1")],
                SearchDomains = ["d.example"],
                ResolverOptions = ["ndots:1"]
            }).ToString());
        Assert.Empty(file.With(new NetworkSettings { SearchDomains = ["."] }).SearchDomains);
    }

    [Theory]
    [InlineData("0.0.0.0/0")]
    [InlineData("127.0.0.0/16")]
    [InlineData("0.0.0.0/1")]
    [InlineData("224.0.0.0/8")]
    [InlineData("240.0.0.0/24")]
    [InlineData("::/0")]
    [InlineData("fe80::/64")]
    [InlineData("ff02::/64")]
    public void A_subnet_of_addresses_that_no_host_may_have_is_refused(string text)
    {
        IPNetwork subnet = IPNetwork.Parse(text);
        BridgeNetwork network = text.Contains(':') ? new("n") { SubnetV6 = subnet } : new("n") { Subnet = subnet };
        Assert.StartsWith("network.subnet", Assert.Single(Assert.Throws<SpecException>(() =>
            new ContainerBuilder(Rootfs.Host).WithNetwork(network).Build()).Faults).Path);
    }

    /// <summary>The zone of an address is the number of a link, and the container has other links.</summary>
    [Fact]
    public void Addresses_of_links_of_the_host_are_refused_by_name()
    {
        var zoned = new IPAddress(IPAddress.Parse("fe80::1").GetAddressBytes(), 2);
        void Refused(string path, ContainerBuilder builder) =>
            Assert.Equal(path, Assert.Single(Assert.Throws<SpecException>(() => builder.Build()).Faults).Path);
        var plain = new ContainerBuilder(Rootfs.Host);
        Refused("network.nameServers", plain.AddNameServer(zoned));
        Refused("network.nameServers", plain.AddNameServer(IPAddress.Any));
        Refused("network.hosts", plain.AddHost(new HostEntry("db", zoned)));
        Refused("network.ports", plain.WithNetwork("web").AddPublishedPort(new PublishedPort(80, 80) { HostAddress = zoned }));
        // and a link's name has at most 15 bytes, whatever its characters
        Refused("network.interfaceName", plain.WithNetworkSettings(new NetworkSettings
        {
            Network = ContainerNetwork.Bridge,
            InterfaceName = "ääääääää"
        }));
        Refused("network.link", plain.WithNetwork(new BridgeNetwork("n") { Link = "ääääääää" }));
        Refused("network.resolverOptions", plain.AddResolverOption("ndots:2\nnameserver 192.0.2.1"));
    }

    [Theory]
    [InlineData("")]
    [InlineData("0:80")]
    [InlineData("80:0")]
    [InlineData("8080:80/icmp")]
    [InlineData("1-3:1-2")]
    [InlineData("9-3:9-3")]
    [InlineData("1.2.3:80:80")]
    [InlineData("a:b:c:d")]
    [InlineData("1-5000:1-5000")]
    [InlineData("-1:80")]
    public void What_is_no_port_is_refused(string text) =>
        Assert.Contains("is not a port to publish", Assert.Throws<FormatException>(() => PublishedPort.Parse(text)).Message);

    [Theory]
    [InlineData("10.0.0.0/8")]
    [InlineData("192.0.2.7")]
    [InlineData("192.0.2.7:443/tcp")]
    [InlineData("[fd00::1]:53/udp")]
    [InlineData("fd00::/16")]
    [InlineData("example.com:443")]
    [InlineData("example.com:8000-8010/tcp")]
    [InlineData("*:53/udp")]
    [InlineData("*")]
    public void Destinations_are_read_and_written_alike(string text) => Assert.Equal((text, EgressRule.Parse(text)),
        (EgressRule.Parse(text).ToString(), EgressRule.Parse(EgressRule.Parse(text).ToString())));

    [Theory]
    [InlineData("")]
    [InlineData("10.0.0.1/8")]
    [InlineData("10.0.0.0/33")]
    [InlineData("example.com:0")]
    [InlineData("example.com:9-3")]
    [InlineData("exam ple")]
    [InlineData("[fd00::1")]
    [InlineData("host:80/icmp")]
    public void What_is_no_destination_is_refused(string text) => Assert.Throws<FormatException>(() => EgressRule.Parse(text));

    [Fact]
    public void A_policy_is_asked_without_a_network()
    {
        EgressPolicy policy = EgressPolicy.DenyAll.Allow("10.0.0.0/8").Allow("192.0.2.7:443/tcp").Allow("example.com:8000-8010");
        bool Allows(string address, PortProtocol protocol, ushort port) =>
            policy.Allows(IPAddress.Parse(address), protocol, port, name => name == "example.com" ? [IPAddress.Parse("198.51.100.1")] : []);
        Assert.True(Allows("10.1.2.3", PortProtocol.Udp, 9));
        Assert.True(Allows("192.0.2.7", PortProtocol.Tcp, 443));
        Assert.False(Allows("192.0.2.7", PortProtocol.Udp, 443));
        Assert.False(Allows("192.0.2.7", PortProtocol.Tcp, 444));
        Assert.True(Allows("198.51.100.1", PortProtocol.Sctp, 8010));
        Assert.False(Allows("198.51.100.1", PortProtocol.Tcp, 8011));
        Assert.True(Allows("127.0.0.1", PortProtocol.Tcp, 1));
        Assert.False(EgressPolicy.DenyAll.Allows(IPAddress.Parse("10.0.0.1"), PortProtocol.Tcp, 1));
        Assert.Equal("deny all but 10.0.0.0/8, 192.0.2.7:443/tcp, example.com:8000-8010", policy.ToString());
        Assert.Equal(policy, EgressPolicy.DenyAll.Allow("10.0.0.0/8").Allow("192.0.2.7:443/tcp").Allow("example.com:8000-8010"));
    }

    [Fact]
    public void Faults_of_a_network_are_told_all_at_once()
    {
        SpecException e = Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host)
            .WithNetwork(new BridgeNetwork("bad name") { Subnet = IPNetwork.Parse("10.0.0.0/31"), Mtu = 3 })
            .AddNetworkAlias("under score!").WithAddress(IPAddress.Parse("fd00::1"))
            .WithHardwareAddress(new System.Net.NetworkInformation.PhysicalAddress([1, 2, 3, 4, 5, 6])).Build());
        Assert.Equal(["network.name", "network.subnet", "network.mtu", "network.aliases", "network.hardwareAddress"],
            e.Faults.Select(f => f.Path));
        Assert.Contains("network.ports",
            Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host).AddPublishedPort("80").Build()).Message);
        Assert.Contains("::1",
            Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host).WithNetwork("web")
                .AddPublishedPort("[::1]:80:80/sctp").Build()).Message);
        Assert.NotNull(new ContainerBuilder(Rootfs.Host).WithNetwork(new BridgeNetwork("old") { IPv6 = false })
            .AddPublishedPort("[::1]:80:80").Build());
    }

    /// <summary>Each setting, and the networks on which it is in force; on all others it is refused by its name.</summary>
    [Fact]
    public void A_setting_that_a_network_cannot_have_is_refused_by_name_and_never_left_out()
    {
        (string Name, ContainerNetwork? Network)[] networks =
        [
            ("none", null), ("host", null), ("joined", null), ("bridge", ContainerNetwork.Bridge),
            ("no IPv6", new BridgeNetwork("four") { IPv6 = false }), ("pasta", new UserModeNetwork { Stack = UserModeStackKind.Pasta }),
            ("slirp4netns", new UserModeNetwork { Stack = UserModeStackKind.Slirp4netns }), ("macvlan",
                new ParentLinkNetwork("up0", "10.0.0.5/24")), ("ipvlan", new ParentLinkNetwork("up0", "10.0.0.5/24") { Ipvlan = true }),
            ("link", new MovedLinkNetwork("up0")),
        ];
        const string Linked = "bridge, no IPv6, pasta, slirp4netns, macvlan, ipvlan, link", Every = "none, host, joined, " + Linked;
        (string Path, string On, Func<ContainerBuilder, ContainerBuilder> Set)[] settings =
        [
            ("network.rateLimit", Linked, b => b.WithRateLimit(new RateLimit { Egress = BitRate.FromMegabits(1) })),
            ("network.hardwareAddress", "bridge, no IPv6, pasta, slirp4netns, macvlan, link",
                b => b.WithHardwareAddress(new System.Net.NetworkInformation.PhysicalAddress([2, 0, 0, 0, 0, 1]))),
            ("network.address", "bridge, no IPv6", b => b.WithAddress(IPAddress.Parse("10.0.0.9"))),
            ("network.addressV6", "bridge", b => b.WithAddress(IPAddress.Parse("fd00::9"))),
            ("network.aliases", "bridge, no IPv6", b => b.AddNetworkAlias("db")),
            ("network.ports", "bridge, no IPv6, pasta, slirp4netns", b => b.AddPublishedPort("80")),
            ("network.ports", "bridge, no IPv6", b => b.AddPublishedPort("80:80/sctp")),
            ("network.egress", "none, " + Linked, b => b.WithEgress(EgressPolicy.DenyAll)),
            ("network.hosts", Every, b => b.AddHost(HostEntry.Parse("db:10.0.0.1"))),
            ("network.search", Every, b => b.AddSearchDomain("example.org")),
            ("network.resolverOptions", Every, b => b.AddResolverOption("ndots:2")),
            ("network.dns", Every, b => b.AddNameServer(IPAddress.Parse("10.0.0.1"))),
        ];
        foreach ((string path, string on, Func<ContainerBuilder, ContainerBuilder> set) in settings)
        {
            foreach ((string name, ContainerNetwork? network) in networks)
            {
                ContainerBuilder builder = new ContainerBuilder(Rootfs.Host).WithNetwork(network);
                builder = name == "host" ? builder.WithNamespacesSharedWithHost(Namespaces.NamespaceKinds.Net)
                    : name == "joined" ? builder.AddJoinedNamespaces(Namespaces.NamespaceKinds.Net, Environment.ProcessId)
                    : builder;
                SpecFault[] faults = Record.Exception(() => set(builder).Build()) is SpecException e ? [.. e.Faults] : [];
                Assert.Equal((path, name, on.Split(", ").Contains(name)), (path, name, faults.Length == 0));
                Assert.All(faults, f => Assert.Equal(path, f.Path));
            }
        }
    }

    [Theory]
    [InlineData("a\n192.0.2.1 bank")]
    [InlineData("a b")]
    [InlineData("a\tb")]
    [InlineData("a\0")]
    [InlineData("a#b")]
    [InlineData("-a")]
    [InlineData("a..b")]
    public void A_name_that_would_add_to_the_hosts_file_is_refused(string name)
    {
        void Refused(string path, ContainerBuilder builder) =>
            Assert.Equal(path, Assert.Single(Assert.Throws<SpecException>(() => builder.Build()).Faults).Path);
        var plain = new ContainerBuilder(Rootfs.Host);
        ContainerBuilder bridge = plain.WithNetwork("web");
        Refused("hostname", plain.WithHostName(name));
        Refused("network.aliases", bridge.AddNetworkAlias(name));
        Refused("network.hosts", bridge.AddHost(new HostEntry(name, IPAddress.Loopback)));
        Refused("network.search", bridge.AddSearchDomain(name));
        Refused("network.egress", bridge.WithEgress(EgressPolicy.DenyAll.Allow(new EgressRule { HostName = name })));
        Assert.Throws<FormatException>(() => HostEntry.Parse(name + ":192.0.2.1"));
        if (name.Any(c => c <= ' '))
            Refused("domainname", plain.WithDomainName(name));
    }

    [Theory]
    [InlineData("hosts")]
    [InlineData("LOCK")]
    [InlineData("none")]
    [InlineData("own")]
    [InlineData("42")]
    [InlineData("../x")]
    [InlineData("a b")]
    [InlineData("")]
    public void Containers_and_networks_have_names_of_one_rule(string name)
    {
        SpecFault Fault(ContainerBuilder builder) => Assert.Single(Assert.Throws<SpecException>(() => builder.Build()).Faults);
        SpecFault container = Fault(new ContainerBuilder(Rootfs.Host).WithName(name)),
            network = Fault(new ContainerBuilder(Rootfs.Host).WithNetwork(name));
        Assert.Equal(("name", "network.name", container.Rule.Replace("64", "32")), (container.Path, network.Path, network.Rule));
        Assert.Contains(network.Rule, Assert.Throws<ArgumentException>(() => ContainerNetworks.Create(new BridgeNetwork(name))).Message);
    }

    [Fact]
    public void A_bridges_link_has_a_name_that_fits()
    {
        Assert.Equal("iso-web", new BridgeNetwork("web").LinkName);
        Assert.Equal(12, new BridgeNetwork("a-network-with-a-long-name").LinkName.Length);
        Assert.Equal("10.0.0.1", new BridgeNetwork("x") { Subnet = IPNetwork.Parse("10.0.0.0/24") }.Gateway!.ToString());
        Assert.Equal("fd00::1", new BridgeNetwork("x") { SubnetV6 = IPNetwork.Parse("fd00::/64") }.GatewayV6!.ToString());
        Assert.Equal("10.0.1.2", BridgeNetwork.AddressAt(IPNetwork.Parse("10.0.0.0/16"), 258).ToString());
        Assert.True(Subnets.Overlap(IPNetwork.Parse("10.0.0.0/8"), IPNetwork.Parse("10.1.0.0/16")));
        Assert.False(Subnets.Overlap(IPNetwork.Parse("10.0.0.0/16"), IPNetwork.Parse("10.1.0.0/16")));
    }

    [Fact]
    public void Networks_and_leases_are_read_as_they_are_written_and_damage_is_told()
    {
        var network = new BridgeNetwork("web")
        { Subnet = IPNetwork.Parse("10.0.0.0/24"), SubnetV6 = IPNetwork.Parse("fd00::/64"), Internal = true, Mtu = 1400, Link = "iso-web" };
        Assert.Equal(network, NetworkJson.ReadNetwork(NetworkJson.Write(network), "x"));
        var lease = new NetworkLease
        {
            Network = "web",
            Index = 7,
            Id = "abc",
            ProcessId = 5,
            StartTime = 9,
            Address = IPAddress.Loopback,
            HostLink = "ve",
            Names = ["a", "b"],
            Ports = [PublishedPort.Parse("1:2")],
            HostsHead = "x\n"
        };
        NetworkLease read = NetworkJson.ReadLease(NetworkJson.Write(lease), "x");
        Assert.Equal((lease.Network, lease.Index, lease.Address, lease.HostsHead),
            (read.Network, read.Index, read.Address, read.HostsHead));
        Assert.Equal(lease.Ports, read.Ports);
        foreach (string damaged in new[] { "", "{", "[]", "{}", """{"name":1}""", """{"network":"x","index":"y"}""" })
            Assert.Contains("The file is damaged", Assert.Throws<Linux.LinuxException>(() => NetworkJson.ReadLease(damaged, "/x")).Message);
    }
}
