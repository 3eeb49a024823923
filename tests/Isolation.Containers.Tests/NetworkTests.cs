using System.Net;

namespace Isolation.Containers.Tests;

/// <summary>Ports, policies and networks as data.</summary>
public class NetworkTests
{
    [Theory]
    [InlineData("8080:80", "8080:80/tcp")]
    [InlineData("80", "80:80/tcp")]
    [InlineData("127.0.0.1:8080:80/udp", "127.0.0.1:8080:80/udp")]
    [InlineData("0.0.0.0:8080:80", "8080:80/tcp")]
    [InlineData("[::1]:8080:80/sctp", "[::1]:8080:80/sctp")]
    [InlineData("7000-7009:8000-8009", "7000-7009:8000-8009/tcp")]
    public void Ports_are_read_as_docker_reads_them(string text, string shown)
    {
        Assert.Equal(shown, PublishedPort.Parse(text).ToString());
        Assert.Equal(PublishedPort.Parse(text), PublishedPort.Parse(shown));
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
    public void What_is_no_port_is_refused(string text) => Assert.Contains("is not a port to publish", Assert.Throws<FormatException>(() => PublishedPort.Parse(text)).Message);

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
    public void Destinations_are_read_and_written_alike(string text) => Assert.Equal((text, EgressRule.Parse(text)), (EgressRule.Parse(text).ToString(), EgressRule.Parse(EgressRule.Parse(text).ToString())));

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
        bool Allows(string address, PortProtocol protocol, ushort port) => policy.Allows(IPAddress.Parse(address), protocol, port, name => name == "example.com" ? [IPAddress.Parse("198.51.100.1")] : []);
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
        SpecException e = Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host).WithNetwork(new BridgeNetwork("bad name") { Subnet = IPNetwork.Parse("10.0.0.0/31"), Mtu = 3 })
            .AddNetworkAlias("under score!").WithAddress(IPAddress.Parse("fd00::1")).WithHardwareAddress(new System.Net.NetworkInformation.PhysicalAddress([1, 2, 3, 4, 5, 6])).Build());
        Assert.Equal(["network.name", "network.subnet", "network.mtu", "network.aliases", "network.hardwareAddress"], e.Faults.Select(f => f.Path));
        Assert.Contains("network.ports", Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host).AddPublishedPort("80").Build()).Message);
        Assert.Contains("::1", Assert.Throws<SpecException>(() => new ContainerBuilder(Rootfs.Host).WithNetwork("web").AddPublishedPort("[::1]:80:80/sctp").Build()).Message);
        Assert.NotNull(new ContainerBuilder(Rootfs.Host).WithNetwork(new BridgeNetwork("old") { IPv6 = false }).AddPublishedPort("[::1]:80:80").Build());
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
        var network = new BridgeNetwork("web") { Subnet = IPNetwork.Parse("10.0.0.0/24"), SubnetV6 = IPNetwork.Parse("fd00::/64"), Internal = true, Mtu = 1400, Link = "iso-web" };
        Assert.Equal(network, NetworkJson.ReadNetwork(NetworkJson.Write(network), "x"));
        var lease = new NetworkLease { Network = "web", Index = 7, Id = "abc", ProcessId = 5, StartTime = 9, Address = IPAddress.Loopback, HostLink = "ve", Names = ["a", "b"], Ports = [PublishedPort.Parse("1:2")], HostsHead = "x\n" };
        NetworkLease read = NetworkJson.ReadLease(NetworkJson.Write(lease), "x");
        Assert.Equal((lease.Network, lease.Index, lease.Address, lease.HostsHead), (read.Network, read.Index, read.Address, read.HostsHead));
        Assert.Equal(lease.Ports, read.Ports);
        foreach (string damaged in new[] { "", "{", "[]", "{}", """{"name":1}""", """{"network":"x","index":"y"}""" })
            Assert.Contains("The file is damaged", Assert.Throws<Linux.LinuxException>(() => NetworkJson.ReadLease(damaged, "/x")).Message);
    }
}
