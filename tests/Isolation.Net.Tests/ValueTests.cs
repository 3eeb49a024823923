using System.Net;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;
using Isolation.Net.Wireguard;

namespace Isolation.Net.Tests;

/// <summary>Values and texts that need no kernel.</summary>
public class ValueTests
{
    [Fact]
    public void An_attribute_that_is_too_long_is_refused_and_never_cut()
    {
        var writer = new NetlinkWriter();
        writer.Begin(16, 0, new byte[16]);
        writer.Put(1, new byte[65531]);
        Assert.Throws<ArgumentException>(() => writer.Put(1, new byte[65532]));
        Assert.Throws<ArgumentException>(() => writer.PutText(1, new string('x', 65531)));
        Assert.Throws<ArgumentException>(() => writer.PutText(1, "a\0b"));
        Assert.Throws<ArgumentException>(() =>
        {
            using (writer.Nested(2))
            {
                for (int i = 0; i < 20_000; i++)
                    writer.PutFlag(1);
            }
        });
        Assert.Throws<InvalidOperationException>(() => writer.Begin(16, 0, []));
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData("a/b")]
    [InlineData("a b")]
    [InlineData("a:b")]
    [InlineData("a\0b")]
    [InlineData("abcdefghijklmnop")]
    public void A_name_that_no_link_can_have_is_refused(string name)
    {
        var writer = new NetlinkWriter();
        Assert.Throws<ArgumentException>(() => new DummyLink { Name = name }.Write(writer, RouteVerb.Add));
        Assert.Equal(0, writer.Written.Length);
    }

    [Theory]
    [InlineData("10mbit", 10_000_000, "10mbit")]
    [InlineData("1.5gbit", 1_500_000_000, "1500mbit")]
    [InlineData("512kbit", 512_000, "512kbit")]
    [InlineData("1mbps", 8_000_000, "8mbit")]
    [InlineData("1mibit", 1_048_576, "1048576bit")]
    [InlineData("9600", 9600, "9600bit")]
    public void Rates_are_read_as_tc_reads_them(string text, long bits, string shown) =>
        Assert.Equal((bits, shown), (BitRate.Parse(text).BitsPerSecond, BitRate.Parse(text).ToString()));

    [Theory]
    [InlineData("")]
    [InlineData("fast")]
    [InlineData("-1mbit")]
    [InlineData("7bit")]
    [InlineData("99999999999gbit")]
    [InlineData("10 m bit")]
    public void What_is_no_rate_is_refused(string text) =>
        Assert.Contains("is not a rate, such as 10mbit", Assert.Throws<FormatException>(() => BitRate.Parse(text)).Message);

    [Theory]
    [InlineData("10.0.0.1/24", "10.0.0.1/24")]
    [InlineData("10.0.0.1", "10.0.0.1/32")]
    [InlineData("fd00::1/64", "fd00::1/64")]
    public void Addresses_are_read_with_their_prefixes(string text, string shown) => Assert.Equal(shown, Address.Parse(1, text).ToString());

    [Theory]
    [InlineData("10.0.0.1/33")]
    [InlineData("10.0.0.1/-1")]
    [InlineData("10.0.0.1/")]
    [InlineData("fd00::1/129")]
    [InlineData("1")]
    [InlineData("10.0.0")]
    [InlineData("host/24")]
    public void What_is_no_address_is_refused(string text) => Assert.Throws<FormatException>(() => Address.Parse(1, text));

    [Theory]
    [InlineData("1:10", 0x10010u)]
    [InlineData("root", 0xffffffffu)]
    [InlineData("ffff:", 0xffff0000u)]
    public void Handles_are_read_as_tc_reads_them(string text, uint value) =>
        Assert.Equal((value, text), (TcHandle.Parse(text).Value, TcHandle.Parse(text).ToString()));

    [Fact]
    public void A_field_takes_values_of_its_own_type_only()
    {
        var rule = new NftRule(NftFamily.Inet, "t", "c");
        Assert.Contains("it does not fit 2 bytes",
            Assert.Throws<FormatException>(() => rule.Match(NftField.TcpDestinationPort, 70_000)).Message);
        Assert.Contains("it is of the other family",
            Assert.Throws<FormatException>(() => rule.Match(NftField.IPv4Source, "fd00::1")).Message);
        Assert.Contains("it ends before it begins",
            Assert.Throws<FormatException>(() => rule.Match(NftField.TcpDestinationPort, "9-3")).Message);
        Assert.Contains("is none of invalid, established",
            Assert.Throws<FormatException>(() => rule.Match(NftField.ConnectionState, "old")).Message);
        Assert.Throws<FormatException>(() => rule.Match(NftField.IPv4Source, 7));
        Assert.Throws<ArgumentException>(() => new NftRule(NftFamily.IPv4, "t", "c").Match(NftField.IPv6Source, "fd00::1"));
        Assert.Throws<ArgumentException>(() => rule.Limit(1, TimeSpan.FromSeconds(7)));
        Assert.Throws<FormatException>(() => NftField.Parse("tcp sportt"));
        Assert.Equal("tcp dport", NftField.Parse("tcp dport").ToString());
    }

    [Fact]
    public void Ranges_are_kept_as_two_elements_and_read_back_as_one()
    {
        var set = new NftSet(NftFamily.Inet, "t", "s", NftType.IPv4Address) { Interval = true };
        NftElements elements = set.Elements("10.0.0.0/8", "192.0.2.1", "255.255.255.0/24", "11.0.0.0-11.0.0.9", "0.0.0.0/32");
        var writer = new NetlinkWriter();
        writer.Begin(0, 0, []);
        foreach (NftElement element in elements.Items)
            element.Write(writer, set);
        writer.End();
        var read = new List<(NftElement, bool)>();
        NftElement.Read(new AttributeReader(writer.Written[16..]), read);
        Assert.Equal(["0.0.0.0", "10.0.0.0/8", "11.0.0.0-11.0.0.9", "192.0.2.1", "255.255.255.0/24"],
            NftElement.Join(set, read).Select(e => e.Format(set)));
    }

    [Fact]
    public void A_range_where_one_value_belongs_is_refused_and_not_cut_to_its_first()
    {
        var map = new NftSet(NftFamily.Inet, "t", "m", NftType.Service) { DataTypes = [NftType.IPv4Address], Interval = true };
        Assert.Equal("1-9 : 10.0.0.1", map.Element("1-9", "10.0.0.1").Format(map));
        foreach (string several in new[] { "10.0.0.1-10.0.0.9", "10.0.0.0/8" })
            Assert.Contains(several, Assert.Throws<FormatException>(() => map.Element(80, several)).Message);
    }

    [Fact]
    public void A_batch_is_carried_out_once_and_a_rule_is_deleted_by_its_handle()
    {
        var batch = new NftBatch().Add(new NftTable(NftFamily.Inet, "t"));
        batch.End();
        Assert.Throws<InvalidOperationException>(batch.End);
        Assert.Throws<ArgumentException>(() => new NftBatch().Delete(new NftRule(NftFamily.Inet, "t", "c")));
        Assert.Throws<ArgumentException>(() => new NftBatch().Add(new NftTable(NftFamily.Inet, "1 bad")));
        Assert.Throws<ArgumentException>(() => new NftBatch().Add(new NftChain(NftFamily.Inet, "t", "c") { Hook = NftHook.Egress }));
    }

    [Fact]
    public void Settings_outside_of_the_network_cannot_be_named()
    {
        var sysctls = new NetworkSysctls();
        Assert.Throws<ArgumentException>(() => sysctls.Read("kernel.core_pattern"));
        Assert.Throws<ArgumentException>(() => sysctls.Read("net.../kernel"));
        Assert.Throws<ArgumentException>(() => sysctls.ReadOfLink("../../kernel", "ipv4", "x"));
        Assert.Throws<ArgumentException>(() => sysctls.ReadOfLink("lo", "ipv5", "x"));
        Assert.Throws<ArgumentException>(() => sysctls.ReadOfLink("lo", "ipv4", "../x"));
        Assert.Equal(Errno.ENOENT, Assert.Throws<LinuxException>(() => sysctls.Read("net.ipv4.no_such_setting")).Errno);
        Assert.Matches("^[01]$", sysctls.ReadOfLink("lo", "ipv4", "forwarding"));
        Assert.Equal(IPAddress.Loopback, Address.Parse(1, "127.0.0.1/8").Local);
    }

    [Fact]
    public void Keys_of_wireguard_are_base64_and_are_not_told()
    {
        WireguardKey key = WireguardKey.GeneratePrivate();
        Assert.Equal(key, WireguardKey.Parse(key.ToString()));
        Assert.NotEqual(key, WireguardKey.GeneratePrivate());
        Assert.Equal((0, 64), (key.Bytes[0] & 7, key.Bytes[31] & 0xc0));
        foreach (string bad in new[] { "", "secret", key.ToString()[1..], key + "AAAA", "!" + key.ToString()[1..] })
            Assert.DoesNotContain(bad.Length > 0 ? bad : "\"", Assert.Throws<FormatException>(() => WireguardKey.Parse(bad)).Message);
        Assert.Throws<ArgumentException>(() => new WireguardKey(new byte[31]));
        var device = new WireguardDevice(3)
        {
            PrivateKey = key,
            Peers = [new WireguardPeer(WireguardKey.GeneratePrivate()) { PresharedKey = key, PersistentKeepalive = TimeSpan.FromDays(1) }]
        };
        Assert.DoesNotContain(key.ToString(), $"{device} {device.Peers[0]}");
        Assert.Contains("65535", Assert.Throws<ArgumentException>(() => device.Peers[0].Write(new NetlinkWriter(), isFirst: true)).Message);
    }
}
