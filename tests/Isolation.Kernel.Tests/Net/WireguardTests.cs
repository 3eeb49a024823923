using System.Net;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;
using Isolation.Net.Wireguard;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Tunnels between two namespaces, with keys and peers.</summary>
public class WireguardTests
{
    private static readonly Lazy<bool> s_hasWireguard = new(() => TestNetwork.HasLinkKind("wireguard"));

    private static void Needs()
    {
        Host.NeedsRoot();
        Assert.SkipUnless(s_hasWireguard.Value, "the kernel has no links of the kind wireguard");
    }

    private static int MakeTunnel(TestNetwork network, string address, string address6)
    {
        network.Route.Add(new WireguardLink { Name = "wg0" });
        int index = Assert.IsType<WireguardLink>(network.Route.GetLink("wg0")).Index;
        network.Route.Add(Address.Parse(index, address));
        network.Route.Add(Address.Parse(index, address6));
        network.Route.SetUp("wg0");
        return index;
    }

    [Fact]
    public void Two_ends_with_each_others_keys_reach_each_other()
    {
        Needs();
        Host.NeedsTool("ping");
        using TestNetwork here = new(), there = new();
        VethPair pair = VethPair.Create(
            new VethLink { Name = "e0", Up = true, Peer = new Link { Name = "e0", NetworkNamespace = there.Namespace } }, here.Namespace);
        here.Route.Add(Address.Parse(pair.Link.Index, "192.0.2.1/24"));
        there.Route.Add(Address.Parse(pair.Peer.Index, "192.0.2.2/24"));
        there.Route.SetUp("e0");
        int near = MakeTunnel(here, "10.7.0.1/24", "fd07::1/64"), far = MakeTunnel(there, "10.7.0.2/24", "fd07::2/64");

        using WireguardSocket mine = WireguardSocket.Open(here.Namespace), theirs = WireguardSocket.Open(there.Namespace);
        WireguardKey mySecret = WireguardKey.GeneratePrivate(), theirSecret = WireguardKey.GeneratePrivate(),
            shared = WireguardKey.GeneratePreshared();
        mine.Set(new WireguardDevice(near) { PrivateKey = mySecret, ListenPort = 51820, Mark = 7 });
        theirs.Set(new WireguardDevice(far) { PrivateKey = theirSecret });
        WireguardDevice device = mine.Read(near);
        Assert.Equal((near, mySecret, (ushort?)51820, (uint?)7), (device.LinkIndex, device.PrivateKey, device.ListenPort, device.Mark));
        Assert.DoesNotContain(mySecret.ToString(), device.ToString());
        IPNetwork[] all = [IPNetwork.Parse("10.7.0.0/24"), IPNetwork.Parse("fd07::/64")];
        mine.Set(new WireguardDevice(near)
        {
            Peers = [new WireguardPeer(theirs.Read(far).PublicKey!) { PresharedKey = shared, AllowedIPs = [.. all] }]
        });
        theirs.Set(new WireguardDevice(far)
        {
            Peers = [new WireguardPeer(device.PublicKey!)
        {
            PresharedKey = shared,
            AllowedIPs = [.. all],
            Endpoint = IPEndPoint.Parse("192.0.2.1:51820"),
            PersistentKeepalive = TimeSpan.FromSeconds(25)
        }]
        });

        there.Run("ping", "-c", "1", "-W", "5", "10.7.0.1");
        // Where the other one is has been learnt.
        here.Run("ping", "-c", "1", "-W", "5", "fd07::2");
        WireguardPeer peer = Assert.Single(mine.Read(near).Peers);
        Assert.Equal((theirs.Read(far).PublicKey, shared, IPAddress.Parse("192.0.2.2")),
            (peer.PublicKey, peer.PresharedKey, peer.Endpoint?.Address));
        Assert.Equal(all.Select(n => n.ToString()).Order(), peer.AllowedIPs.Select(n => n.ToString()).Order());
        Assert.InRange(peer.LastHandshake!.Value, DateTimeOffset.UtcNow.AddMinutes(-2), DateTimeOffset.UtcNow.AddMinutes(1));
        Assert.True(peer.ReceivedBytes > 100 && peer.SentBytes > 100, peer.ToString());
        Assert.Equal((IPEndPoint.Parse("192.0.2.1:51820"), TimeSpan.FromSeconds(25)),
            (theirs.Read(far).Peers[0].Endpoint, theirs.Read(far).Peers[0].PersistentKeepalive));

        mine.Set(new WireguardDevice(near) { Peers = [peer with { Remove = true }] });
        Assert.Empty(mine.Read(near).Peers);
        Assert.NotEqual(0, there.TryRun("ping", "-c", "1", "-W", "1", "10.7.0.1").Code);
    }

    [Fact]
    public void What_wg_shows_is_what_was_set_and_what_wg_sets_is_read()
    {
        Needs();
        Host.NeedsTool("wg");
        using TestNetwork network = new(), other = new();
        using var directory = new TemporaryDirectory();
        int index = MakeTunnel(network, "10.7.0.1/24", "fd07::1/64"), there = MakeTunnel(other, "10.7.0.2/24", "fd07::2/64");
        using WireguardSocket wireguard = WireguardSocket.Open(network.Namespace), theirs = WireguardSocket.Open(other.Namespace);
        Assert.Equal(Dump(wireguard.Read(index)), network.Run("wg", "show", "wg0", "dump").TrimEnd());
        var random = new Random(20);
        for (int round = 0; round < TestNetwork.Rounds(40); round++)
        {
            WireguardDevice made = Make(random, index);
            wireguard.Set(made);
            string shown = network.Run("wg", "show", "wg0", "dump").TrimEnd();
            WireguardDevice read = wireguard.Read(index);
            Assert.Equal(Dump(made with
            {
                PublicKey = read.PublicKey,
                Peers = [.. read.Peers.Select(p => made.Peers.Single(m => m.PublicKey == p.PublicKey))]
            }), shown);
            Assert.Equal(Dump(read), shown);
            // The same by wg, in another namespace: its key is known by what wg makes of it.
            Assert.Equal(read.PublicKey!.ToString(), network.Run("sh", "-c", $"echo {made.PrivateKey} | wg pubkey").Trim());
            other.Run("wg", ["set", "wg0", .. Arguments(made, directory)]);
            Assert.Equal(shown, Dump(theirs.Read(there)));
            foreach (WireguardPeer peer in made.Peers)
                other.Run("wg", "set", "wg0", "peer", $"{peer.PublicKey}", "remove");
            Assert.Empty(theirs.Read(there).Peers);
        }
    }

    private static WireguardDevice Make(Random random, int index) => new(index)
    {
        PrivateKey = WireguardKey.GeneratePrivate(),
        ListenPort = (ushort)random.Next(1024, 65536),
        Mark = random.Next(2) == 0 ? 0 : (uint)random.Next(),
        ReplacePeers = true,
        Peers = [.. Enumerable.Range(0, random.Next(4)).Select(i => new WireguardPeer(WireguardKey.GeneratePrivate())
        {
            PresharedKey = random.Next(2) == 0 ? null : WireguardKey.GeneratePreshared(),
            Endpoint = random.Next(3) switch
            {
                0 => null,
                1 => IPEndPoint.Parse($"192.0.2.{random.Next(1, 255)}:{random.Next(1, 65536)}"),
                _ => IPEndPoint.Parse($"[2001:db8::{random.Next(1, 65536):x}]:{random.Next(1, 65536)}")
            },
            PersistentKeepalive = TimeSpan.FromSeconds(random.Next(2) == 0 ? 0 : random.Next(1, 65536)),
            AllowedIPs = [.. Enumerable.Range(0, random.Next(4)).Select(n => IPNetwork.Parse(random.Next(2) == 0
                ? $"10.{(i * 4) + n}.0.0/{random.Next(16, 33)}"
                : $"fd00:{(i * 4) + n:x}::/{random.Next(32, 129)}"))],
        })],
    };

    /// <summary>As <c>wg show wg0 dump</c> has it.</summary>
    private static string Dump(WireguardDevice device) => string.Join('\n', device.Peers
        .Select(p => $"{p.PublicKey}\t{p.PresharedKey?.ToString() ?? "(none)"}\t{p.Endpoint?.ToString() ?? "(none)"}\t"
            + $"{(p.AllowedIPs.IsEmpty ? "(none)" : string.Join(',', p.AllowedIPs))}\t{p.LastHandshake?.ToUnixTimeSeconds() ?? 0}\t"
            + $"{p.ReceivedBytes}\t{p.SentBytes}\t"
            + $"{(p.PersistentKeepalive > TimeSpan.Zero ? $"{p.PersistentKeepalive.Value.TotalSeconds}" : "off")}")
        .Prepend($"{device.PrivateKey?.ToString() ?? "(none)"}\t{device.PublicKey?.ToString() ?? "(none)"}\t{device.ListenPort}\t"
            + $"{(device.Mark > 0 ? $"0x{device.Mark:x}" : "off")}"));

    /// <summary>As <c>wg set wg0</c> takes it; secrets in files.</summary>
    private static IEnumerable<string> Arguments(WireguardDevice device, TemporaryDirectory directory) =>
    [
        "private-key", directory.Write("private", $"{device.PrivateKey}"), "listen-port", $"{device.ListenPort}",
        "fwmark", $"{device.Mark}",
        .. device.Peers.SelectMany((p, i) => (string[])
        [
            "peer", $"{p.PublicKey}",
            .. p.PresharedKey is null ? Array.Empty<string>() : ["preshared-key", directory.Write($"shared{i}", $"{p.PresharedKey}")],
            .. p.Endpoint is null ? Array.Empty<string>() : ["endpoint", $"{p.Endpoint}"],
            "persistent-keepalive", $"{p.PersistentKeepalive!.Value.TotalSeconds}", "allowed-ips", string.Join(',', p.AllowedIPs),
        ]),
    ];

    [Fact]
    public void Many_peers_and_networks_are_set_in_several_messages_and_read_from_several()
    {
        Needs();
        using var network = new TestNetwork();
        int index = MakeTunnel(network, "10.7.0.1/24", "fd07::1/64");
        using WireguardSocket wireguard = WireguardSocket.Open(network.Namespace);
        WireguardPeer[] peers = [.. Enumerable.Range(0, 700).Select(i => new WireguardPeer(WireguardKey.GeneratePrivate())
        {
            AllowedIPs = [IPNetwork.Parse($"10.{i >> 8}.{i & 255}.0/24")],
            Endpoint = IPEndPoint.Parse($"[fd00::{i + 1:x}]:{i + 1}")
        }),
            new WireguardPeer(WireguardKey.GeneratePrivate())
            {
                AllowedIPs = [.. Enumerable.Range(0, 1700).Select(i => IPNetwork.Parse($"fd01:{i:x}::/48"))]
            }];
        wireguard.Set(new WireguardDevice(index) { PrivateKey = WireguardKey.GeneratePrivate(), Peers = [.. peers], ReplacePeers = true });
        Assert.Equal(Texts(peers), Texts(wireguard.Read(index).Peers));
        // Those that are not listed stay, unless they are to be replaced.
        wireguard.Set(new WireguardDevice(index) { Peers = [peers[3] with { AllowedIPs = [IPNetwork.Parse("10.200.0.0/16")] }] });
        Assert.Equal((701, "10.200.0.0/16"), (wireguard.Read(index).Peers.Length,
            wireguard.Read(index).Peers.Single(p => p.PublicKey == peers[3].PublicKey).AllowedIPs.Single().ToString()));
        wireguard.Set(new WireguardDevice(index) { Peers = [peers[5]], ReplacePeers = true });
        Assert.Equal(Texts([peers[5]]), Texts(wireguard.Read(index).Peers));

        static IEnumerable<string> Texts(IEnumerable<WireguardPeer> all) =>
            all.Select(p => $"{p.PublicKey} {p.Endpoint} {string.Join(' ', p.AllowedIPs.Select(n => n.ToString()).Order())}").Order();
    }

    [Fact]
    public void Links_that_are_none_of_wireguard_are_told()
    {
        Needs();
        using var network = new TestNetwork();
        using WireguardSocket wireguard = WireguardSocket.Open(network.Namespace);
        NetlinkException e = Assert.Throws<NetlinkException>(() => wireguard.Read(1));
        Assert.Equal(Errno.EOPNOTSUPP, e.Errno);
        Assert.Contains("That link is none of WireGuard.", e.Message);
        e = Assert.Throws<NetlinkException>(() => wireguard.Set(new WireguardDevice(77) { Mark = 1 }));
        Assert.Equal(Errno.ENODEV, e.Errno);
        Assert.Contains("Cannot set up WireGuard link 77: WG_CMD_SET_DEVICE failed with ENODEV", e.Message);
    }
}
