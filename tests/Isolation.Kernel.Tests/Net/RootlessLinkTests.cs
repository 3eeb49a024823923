using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Net;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;
using Isolation.Net.TrafficControl;

namespace Isolation.Kernel.Tests.Net;

/// <summary>What an ordinary user does to the networks of its own containers, without a program of the host.</summary>
public class RootlessLinkTests
{
    [Fact]
    public async Task Two_containers_in_one_user_namespace_are_joined_by_a_pair_of_links()
    {
        Host.NeedsOrdinaryUser();
        Host.NeedsTool("socat");
        var leaks = new Leaks();
        await using (Container first = await Box.Shell("sleep 60").StartAsync(TestContext.Current.CancellationToken))
        {
            await using Container second = await Box.Shell("sleep 60").AddJoinedNamespaces(NamespaceKinds.User, first)
                .StartAsync(TestContext.Current.CancellationToken);
            VethPair pair = VethPair.Create(new VethLink
            {
                Name = "to-second",
                Up = true,
                Peer = new Link { Name = "to-first", Up = true, NetworkNamespaceOfProcess = second.ProcessId }
            }, first.Process);
            using (RouteSocket inFirst = RouteSocket.Open(first.Process), inSecond = RouteSocket.Open(second.Process))
            {
                inFirst.Add(Address.Parse(pair.Link.Index, "10.7.0.1/24"));
                inSecond.Add(Address.Parse(pair.Peer.Index, "10.7.0.2/24"));
            }

            await using Container server = await Box.Shell("exec socat TCP4-LISTEN:80,fork,reuseaddr SYSTEM:'echo from the second'")
                .AddJoinedNamespaces(NamespaceKinds.Net, second).StartAsync(TestContext.Current.CancellationToken);
            string said = await Box.Shell(
                "for i in $(seq 100); do socat -t10 -T10 - TCP4:10.7.0.2:80 2>/dev/null </dev/null | grep . && break; sleep 0.2; done")
                .AddJoinedNamespaces(NamespaceKinds.Net, first).OutputAsync();
            Assert.Equal("from the second", said);
            using NftSocket nft = NftSocket.Open(second.Process);
            nft.Execute(new NftBatch().Add(new NftTable(NftFamily.Inet, "mine")));
            Assert.Equal("mine", Assert.Single(nft.ReadTables()).Table);
        }

        leaks.AssertNone();
    }

    [Fact]
    public async Task A_limit_and_a_policy_hold_in_a_container_of_an_ordinary_user()
    {
        Host.NeedsOrdinaryUser();
        await using Container container = await Box.Shell("sleep 60").WithEgress(EgressPolicy.DenyAll)
            .StartAsync(TestContext.Current.CancellationToken);
        using NftSocket nft = NftSocket.Open(container.Process);
        Assert.Contains("policy drop", nft.ReadRuleset().ToString());
        using RouteSocket route = RouteSocket.Open(container.Process);
        route.Add(new VethLink { Name = "eth0", Up = true, Peer = new Link { Name = "eth1" } });
        container.SetRateLimit(new RateLimit { Egress = BitRate.FromMegabits(5), Ingress = BitRate.FromMegabits(6) });
        Assert.Equal(new RateLimit { Egress = BitRate.FromMegabits(5), Ingress = BitRate.FromMegabits(6) },
            RateLimit.Read("eth0", container.Process));
    }

    [Fact]
    public void A_network_of_somebody_else_is_refused()
    {
        Host.NeedsOrdinaryUser();
        LinuxException e = Assert.ThrowsAny<LinuxException>(() => RouteSocket.Open(NetworkNamespace.Open())
            .Add(new DummyLink { Name = "d" }));
        Assert.Equal(Errno.EPERM, e.Errno);
    }
}
