using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Isolation.Net;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;
using Isolation.Net.Wireguard;

namespace Isolation.Kernel.Tests.Net;

/// <summary>The lines of docs/errors.md about networks, as the kernel gives them.</summary>
public class NetworkErrorTests
{
    private static readonly Dictionary<string, string> s_table = File.ReadLines(Path.Combine(AppContext.BaseDirectory, "errors.md"))
        .Where(l => l.StartsWith("| ", StringComparison.Ordinal)).Select(l => l.Split(" | ", 2)).DistinctBy(c => c[0])
        .ToDictionary(c => c[0].TrimStart('|', ' '), c => c[1].TrimEnd('|', ' ').Replace("`", ""));

    [Theory]
    [InlineData("an address is there already")]
    [InlineData("there is no such link")]
    [InlineData("an address is to be added to a link that is not there")]
    [InlineData("a link's name is taken")]
    [InlineData("a kind of link is unknown")]
    [InlineData("a mask is bad")]
    [InlineData("a name is too long for a link")]
    [InlineData("a queueing discipline is unknown")]
    [InlineData("a router is out of reach")]
    [InlineData("a route is there already")]
    [InlineData("an address that is not there is deleted")]
    [InlineData("the peer of a pair is set up too early")]
    [InlineData("a rule is added to a chain that is not there")]
    [InlineData("a set that a rule uses is deleted")]
    [InlineData("a port is no port")]
    [InlineData("a destination of an egress policy is none")]
    [InlineData("a filter is to match a directory that is no control group")]
    [InlineData("a port is taken on the loopback of IPv6")]
    [InlineData("a name of a container or network means something else")]
    [InlineData("a name of a container or network is a number")]
    [InlineData("a host name would add lines to the hosts file")]
    [InlineData("a rate is given without a network")]
    [InlineData("a hardware address is given to an ipvlan")]
    [InlineData("a port of sctp is published by a user-mode network")]
    [InlineData("a port is published twice")]
    [InlineData("an IPv6 network has packets that are too short")]
    [InlineData("a set has integers that nft cannot read")]
    [InlineData("a tunnel is to be set up on a kernel without WireGuard")]
    public void The_text_is_as_documented(string situation)
    {
        Host.NeedsRoot();
        Assert.SkipWhen(situation.EndsWith("without WireGuard", StringComparison.Ordinal) && TestNetwork.HasLinkKind("wireguard"),
            "needs a kernel without WireGuard");
        using var network = new TestNetwork();
        Exception e = Assert.IsAssignableFrom<Exception>(Record.Exception(() => Provoke(situation, network)));
        // Older kernels say less, and name links otherwise.
        string text = Regex.Replace(Regex.Replace(e.Message.Replace("\n  ", "<br>"), " \\(Parameter '[^']+'\\)", ""),
            "with index [0-9]+|to link [0-9]+|of link [0-9]+|dev [0-9]+", m => m.Value[..m.Value.LastIndexOf(' ')] + " N");
        Assert.True(s_table.TryGetValue(situation, out string? documented), $"docs/errors.md has no line: | {situation} | `{text}` |");
        if (e is NetlinkException { AttributePath: null })
            documented = Regex.Replace(documented!, "The kernel points at [A-Z_.]*\\. ?", "").TrimEnd();
        if (e is NetlinkException { KernelMessage: null })
            documented = Regex.Replace(documented!, "The kernel says: [^.]*(\\([^)]*\\))?\\. ?", "").TrimEnd();
        Assert.Equal(documented, text);
    }

    private static void Provoke(string situation, TestNetwork network)
    {
        RouteSocket route = network.Route;
        route.Add(new VethLink { Name = "v0", Index = 50, Peer = new Link { Name = "v1" } });
        route.SetUp("v0");
        route.SetUp("v1");
        route.Add(Address.Parse(50, "10.0.0.1/24"));
        using NftSocket nft = NftSocket.Open(network.Namespace);
        var table = new NftTable(NftFamily.Inet, "t");
        var chain = new NftChain(table, "c");
        var set = new NftSet(table, "s", NftType.Service);
        var plain = new Containers.ContainerBuilder(Containers.Rootfs.Host);
        switch (situation)
        {
            case "an address is there already":
                route.Add(Address.Parse(50, "10.0.0.1/24"));
                break;
            case "there is no such link":
                route.SetUp("nosuch");
                break;
            case "an address is to be added to a link that is not there":
                route.Add(Address.Parse(4000, "10.0.0.1/24"));
                break;
            case "a link's name is taken":
                route.Add(new VethLink { Name = "v0", Peer = new Link { Name = "v9" } });
                break;
            case "a kind of link is unknown":
                route.Add(new Link { Name = "x0", Kind = "nosuch" });
                break;
            case "a mask is bad":
                route.Add(Address.Parse(50, "10.0.0.1/33"));
                break;
            case "a name is too long for a link":
                route.Add(new DummyLink { Name = "averyveryverylongname" });
                break;
            case "a queueing discipline is unknown":
                route.Add(new Qdisc(50, "nosuch"));
                break;
            case "a router is out of reach":
                route.Add(new Route(Route.DefaultIPv4) { Gateway = IPAddress.Parse("192.0.2.1") });
                break;
            case "a route is there already":
                route.Add(new Route(IPNetwork.Parse("10.9.0.0/16")) { LinkIndex = 50 });
                route.Add(new Route(IPNetwork.Parse("10.9.0.0/16")) { LinkIndex = 50 });
                break;
            case "an address that is not there is deleted":
                route.Delete(Address.Parse(50, "10.0.0.9/24"));
                break;
            case "the peer of a pair is set up too early":
                route.Add(new VethLink { Name = "v8", Peer = new Link { Name = "v9", Up = true } });
                break;
            case "a rule is added to a chain that is not there":
                nft.Execute(new NftBatch().Add(table).Add(new NftRule(chain).Match(NftField.TcpDestinationPort, 80).Accept()));
                break;
            case "a set that a rule uses is deleted":
                nft.Execute(new NftBatch().Add(table).Add(chain).Add(set)
                    .Add(new NftRule(chain).MatchSet(set, NftField.TcpDestinationPort).Accept()));
                nft.Execute(new NftBatch().Delete(set));
                break;
            case "a port is no port":
                Containers.PublishedPort.Parse("8080:70000");
                break;
            case "a destination of an egress policy is none":
                Containers.EgressRule.Parse("10.0.0.1/8");
                break;
            case "a filter is to match a directory that is no control group":
                new NftRule(chain).MatchCgroup("/usr");
                break;
            case "a port is taken on the loopback of IPv6":
                NetworkNamespace.Run(network.Namespace, () =>
                {
                    using var taken = new TcpListener(IPAddress.IPv6Loopback, 8080);
                    taken.Start();
                    Containers.LoopbackRelay.Listen([Containers.PublishedPort.Parse("8080:80")]);
                });
                break;
            case "a name of a container or network means something else":
                plain.WithName("hosts").Build();
                break;
            case "a name of a container or network is a number":
                plain.WithNetwork("42").Build();
                break;
            case "a host name would add lines to the hosts file":
                plain.WithHostName("a#b").Build();
                break;
            case "a rate is given without a network":
                plain.WithRateLimit(new RateLimit { Egress = BitRate.FromMegabits(1) }).Build();
                break;
            case "a hardware address is given to an ipvlan":
                plain.WithNetwork(new Containers.ParentLinkNetwork("v0", "10.0.0.5/24") { Ipvlan = true })
                    .WithHardwareAddress(new([2, 0, 0, 0, 0, 1])).Build();
                break;
            case "a port of sctp is published by a user-mode network":
                plain.WithNetwork(Containers.ContainerNetwork.UserMode).AddPublishedPort("80:80/sctp").Build();
                break;
            case "a port is published twice":
                plain.WithNetwork("web").AddPublishedPort("8080:80").AddPublishedPort("127.0.0.1:8080:81").Build();
                break;
            case "an IPv6 network has packets that are too short":
                plain.WithNetwork(new Containers.BridgeNetwork("web") { Mtu = 1000 }).Build();
                break;
            case "a set has integers that nft cannot read":
                nft.Execute(new NftBatch().Add(table).Add(new NftSet(table, "s", NftType.Processor, NftType.Service)));
                break;
            case "a tunnel is to be set up on a kernel without WireGuard":
                WireguardSocket.Open(network.Namespace);
                break;
        }
    }
}
