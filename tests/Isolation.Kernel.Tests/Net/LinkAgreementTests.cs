using System.Net;
using System.Net.NetworkInformation;
using System.Text.Json;
using FsCheck;
using FsCheck.Fluent;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Kernel.Tests.Net;

/// <summary>Random links, made by this library and by ip(8), read by both.</summary>
public class LinkAgreementTests
{
    private static readonly Lazy<string[]> s_kinds = new(() => [.. new[]
    {
        "veth", "bridge", "macvlan", "ifb", "vxlan", "dummy", "vlan", "ipvlan", "vrf"
    }.Where(k => k is "macvlan" or "ipvlan" or "vlan" or "vxlan" or "vrf" ? HasWithOptions(k) : TestNetwork.HasLinkKind(k))]);

    private static readonly Lazy<bool> s_filtersVlans =
        new(() => Succeeds(network => network.Route.Add(new BridgeLink { Name = "probe", VlanFiltering = true })));

    // What is only for requests, or made by the kernel.
    private static readonly string[] s_notRead = ["Peer", "Flags", "State", "HardwareType", "Index", "Statistics", "Qdisc",
        "AlternativeNames", "ParentIndex", "NetworkNamespace"];

    private static Gen<T?> Maybe<T>(Gen<T> value) where T : struct => Gen.OneOf(value.Select(v => (T?)v), Gen.Constant((T?)null));

    private static readonly Gen<PhysicalAddress?> s_mac = Gen.OneOf(Gen.Constant((PhysicalAddress?)null),
        Gen.Choose(0, 0xffffff).Select(n => (PhysicalAddress?)new PhysicalAddress([2, 0, 0, (byte)(n >> 16), (byte)(n >> 8), (byte)n])));

    private static Gen<Link> LinkOf(string kind, int parent)
    {
        Gen<bool> flag = Gen.Elements(true, false);
        Gen<Link> options = kind switch
        {
            "veth" => from mtu in Maybe(Gen.Choose(1280, 9000))
                      from mac in s_mac
                      select (Link)new VethLink { Peer = new Link { Name = "peer0", Mtu = mtu, Address = mac } },
            // Whole seconds: the kernel keeps times in its own clock's ticks.
            "bridge" =>
                from delay in Maybe(Gen.Choose(2, 30).Select(n => (uint)n * 100))
                from hello in Maybe(Gen.Choose(1, 10).Select(n => (uint)n * 100))
                from age in Maybe(Gen.Choose(6, 40).Select(n => (uint)n * 100))
                from ageing in Maybe(Gen.Choose(0, 1000).Select(n => TimeSpan.FromSeconds(n)))
                from stp in Maybe(Gen.Constant(false))
                from priority in Maybe(Gen.Choose(0, 65535).Select(n => (ushort)n))
                from filtering in s_filtersVlans.Value ? Maybe(flag) : Gen.Constant((bool?)null)
                from snooping in Maybe(flag)
                from mask in Maybe(Gen.Choose(0, 0x1fff).Select(n => (ushort)(n << 3)))
                select (Link)new BridgeLink
                {
                    ForwardDelayHundredths = delay,
                    HelloTimeHundredths = hello,
                    MaxAgeHundredths = age,
                    AgeingTime = ageing,
                    Stp = stp,
                    Priority = priority,
                    VlanFiltering = filtering,
                    MulticastSnooping = snooping,
                    GroupForwardMask = mask,
                },
            "macvlan" => Maybe(Gen.Elements(MacvlanMode.Private, MacvlanMode.Vepa, MacvlanMode.Bridge))
                .Select(m => (Link)new MacvlanLink { Mode = m, ParentIndex = parent }),
            "ipvlan" => Maybe(Gen.Elements(IpvlanMode.L2, IpvlanMode.L3, IpvlanMode.L3S))
                .Select(m => (Link)new IpvlanLink { Mode = m, ParentIndex = parent }),
            "vlan" => from id in Gen.Choose(1, 4094)
                      from outer in flag
                      select (Link)new VlanLink { Id = id, Protocol = outer ? (ushort)0x88a8 : (ushort)0x8100, ParentIndex = parent },
            "vrf" => Gen.Choose(1, int.MaxValue).Select(t => (Link)new VrfLink { Table = (uint)t }),
            "vxlan" =>
                from id in Gen.Choose(1, 0xffffff)
                from port in Gen.Choose(1, 65535)
                from ttl in Maybe(Gen.Choose(1, 255).Select(n => (byte)n))
                from ageing in Maybe(Gen.Choose(1, 10_000).Select(n => (uint)n))
                from learning in Maybe(flag)
                from v6 in flag
                from remote in flag
                from local in flag
                select (Link)new VxlanLink
                {
                    Id = (uint)id,
                    Port = (ushort)port,
                    TimeToLive = ttl,
                    AgeingSeconds = ageing,
                    Learning = learning,
                    Remote = !remote ? null : IPAddress.Parse(v6 ? "fd00::9" : "192.0.2.9"),
                    Local = !local ? null : IPAddress.Parse(v6 ? "fd00::8" : "192.0.2.8"),
                },
            "dummy" => Gen.Constant((Link)new DummyLink()),
            _ => Gen.Constant((Link)new IfbLink()),
        };
        return from link in options
               from mtu in Maybe(Gen.Choose(1280, 1500))
               from queue in Maybe(Gen.Choose(1, 5000))
               from mac in s_mac
               from queues in Maybe(Gen.Choose(1, 4))
               select link with
               {
                   Name = "link0",
                   Mtu = kind is "vrf" ? null : mtu,
                   TransmitQueueLength = queue,
                   Address = kind is "ipvlan" ? null : mac,
                   TransmitQueues = kind is "veth" or "ifb" or "dummy" ? queues : null
               };
    }

    [Fact]
    public void Links_of_a_group_are_changed_and_deleted_at_once()
    {
        Host.NeedsRoot();
        using var network = new TestNetwork();
        for (int i = 0; i < 3; i++)
            network.Route.Add(new VethLink { Name = $"in{i}", Group = 7, Peer = new Link { Name = $"out{i}" } });
        network.Route.Change(new LinkGroup(7) { Up = true, Mtu = 1400 });
        Assert.Equal(["in0", "in1", "in2"], network.Json("ip", "-json", "link", "show", "group", "7", "up").EnumerateArray()
            .Where(l => l.TryGetProperty("ifname", out _)).Select(l => l.GetProperty("ifname").GetString()).Order());
        Assert.Equal([1400, 1400, 1400, 1500, 1500, 1500],
            network.Route.ReadLinks().Where(l => l is VethLink).OrderBy(l => l.Name).Select(l => l.Mtu));
        network.Route.Add(new BridgeLink { Name = "br0" });
        int bridge = network.Route.GetLink("br0").Index;
        network.Route.Change(new LinkGroup(7) { Master = bridge });
        Assert.Equal(["in0", "in1", "in2"], network.Route.ReadLinks().Where(l => l.Master == bridge).Select(l => l.Name).Order());
        network.Route.Change(new Link { Name = "in0", Group = 0 });
        network.Route.Delete(new LinkGroup(7));
        Assert.Equal(["in0", "out0"], network.Route.ReadLinks().Where(l => l is VethLink).Select(l => l.Name).Order());
        NetlinkException none = Assert.Throws<NetlinkException>(() => network.Route.Delete(new LinkGroup(7)));
        Assert.StartsWith("Cannot delete link group 7: RTM_DELLINK failed with ENODEV", none.Message);
        Assert.Throws<ArgumentException>(() => network.Route.Delete(new LinkGroup(0)));
        Assert.Throws<ArgumentException>(() => network.Route.Add(new LinkGroup(8)));
    }

    [Fact]
    public void Random_links_are_made_and_read_as_ip_makes_and_reads_them()
    {
        Host.NeedsRoot();
        Host.NeedsTool("ip");
        Assert.Contains("veth", s_kinds.Value);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(TestNetwork.Rounds(60)), Prop.ForAll(Arb.From(
            from kind in Gen.Elements(s_kinds.Value)
            from link in LinkOf(kind, parent: 1000)
            from byIp in Gen.Elements(true, false)
            select (link, byIp)), pair => Agree(pair.link, pair.byIp)));
    }

    private static void Agree(Link wanted, bool byIp)
    {
        using var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "parent", Index = 1000, Peer = new Link { Name = "parent1" } });
        if (byIp)
            network.Run("ip", IpTool.AddLink(wanted, _ => "parent"));
        else
            network.Route.Add(wanted);
        Link read = network.Route.GetLink("link0");
        Assert.Empty(Meaning.Differences(wanted, read, s_notRead));
        if (wanted is VethLink { Peer: { } peer })
            Assert.Empty(Meaning.Differences(peer,
                network.Route.GetLink("peer0") is { } p ? new Link { Name = p.Name, Mtu = p.Mtu, Address = p.Address } : null!, s_notRead));
        // And every link is read by both alike.
        var names = network.Route.ReadLinks().ToDictionary(l => l.Name!, l => l.Index);
        JsonElement all = network.Json("ip", "-d", "-json", "link", "show");
        Assert.Equal(names.Count, all.GetArrayLength());
        foreach (JsonElement json in all.EnumerateArray())
        {
            Link byTool = IpTool.ReadLink(json, n => names[n]);
            Assert.Empty(Meaning.Differences(byTool, network.Route.GetLink(byTool.Index), "Peer", "Flags", "State", "HardwareType",
                "AlternativeNames", "Statistics"));
        }
    }

    private static bool Succeeds(Action<TestNetwork> action)
    {
        using var network = new TestNetwork();
        try
        {
            action(network);
            return true;
        }
        catch (NetlinkException)
        {
            return false;
        }
    }

    private static bool HasWithOptions(string kind)
    {
        using var network = new TestNetwork();
        network.Route.Add(new VethLink { Name = "parent", Index = 1000, Peer = new Link { Name = "parent1" } });
        return network.TryRun("ip", IpTool.AddLink(Gen.Sample(LinkOf(kind, 1000), 1).First(), _ => "parent")).Code == 0;
    }
}
