using System.Text;
using Isolation.Linux;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Net.Tests;

/// <summary>Requests, answers and what can go wrong between, with a peer that says what it is told.</summary>
public class NetlinkSocketTests
{
    private static readonly byte[] s_link = [.. new byte[4], 7, 0, 0, 0, .. new byte[8], .. FakePeer.Attribute(3, "eth7\0"u8)];

    private static RouteSocket Route(FakePeer peer) => new(peer.Socket);

    [Fact]
    public void The_kernels_words_and_the_attribute_are_in_the_error()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
            // where IFLA_INFO_KIND stands: behind the header, the struct, IFLA_IFNAME and IFLA_LINKINFO's own header
            [FakePeer.Ack(FakePeer.SequenceOf(request), Errno.EOPNOTSUPP,
                [.. FakePeer.Attribute(1, "Unknown device type\0"u8), .. FakePeer.Attribute(2, 48, 0, 0, 0)])]);
        NetlinkException e = Assert.Throws<NetlinkException>(() => Route(peer).Add(new Link { Name = "odd0", Kind = "odd" }));
        Assert.Equal("Cannot add link \"odd0\": RTM_NEWLINK failed with EOPNOTSUPP (operation not supported). The kernel says: "
            + "Unknown device type (IFLA_LINKINFO.IFLA_INFO_KIND). " +
            "This kernel has no such kind of link, or lacks one of the options: load its module, or use a kernel built with it.",
            e.Message);
        Assert.Equal(("Unknown device type", "IFLA_LINKINFO.IFLA_INFO_KIND", 48, Errno.EOPNOTSUPP, "add link", "\"odd0\""),
            (e.KernelMessage, e.AttributePath, e.Offset, e.Errno, e.Action, e.Subject));
    }

    [Fact]
    public void An_attribute_that_is_missing_is_named()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route,
            request => [FakePeer.Ack(FakePeer.SequenceOf(request), Errno.EINVAL, [.. FakePeer.Attribute(5, 3, 0, 0, 0)])]);
        NetlinkException e = Assert.Throws<NetlinkException>(() => Route(peer).Add(new Nexthop(1) { LinkIndex = 1 }));
        Assert.Equal("missing NHA_GROUP_TYPE", e.AttributePath);
    }

    [Fact]
    public void Every_request_of_a_batch_has_its_own_error()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
        {
            var answers = new List<byte[]>();
            for (int at = 0, i = 0; at < request.Length; at += BitConverter.ToInt32(request, at), i++)
                answers.Add(FakePeer.Ack(BitConverter.ToUInt32(request, at + 8), i % 2 == 1 ? Errno.EEXIST : Errno.None));
            return answers;
        });
        RouteBatch batch = Route(peer).CreateBatch();
        for (int i = 0; i < 300; i++)
            batch.Add(new DummyLink { Name = $"d{i}" });
        var failures = batch.Send();
        Assert.Equal(150, failures.Length);
        Assert.All(failures, f => Assert.Contains($"Cannot add link \"d{f.Index}\": RTM_NEWLINK failed with EEXIST", f.Error.Message));
        Assert.Equal(0, batch.Count);
    }

    [Fact]
    public void An_interrupted_list_is_asked_for_again_and_told_once()
    {
        int asked = 0;
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
        {
            uint sequence = FakePeer.SequenceOf(request);
            ushort interrupted = ++asked < 4 ? (ushort)0x10 : (ushort)0;
            return [FakePeer.Message(16, 2, sequence, s_link), FakePeer.Message(16, (ushort)(2 | interrupted), sequence, s_link),
                FakePeer.Message(3, (ushort)(2 | interrupted), sequence, 0, 0, 0, 0)];
        });
        Assert.Equal(["eth7", "eth7"], Route(peer).ReadLinks().Select(l => l.Name));
        Assert.Equal(4, asked);
    }

    [Fact]
    public void A_list_that_never_stands_still_is_told()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route,
            request => [FakePeer.Message(3, 0x12, FakePeer.SequenceOf(request), 0, 0, 0, 0)]);
        NetlinkException e = Assert.Throws<NetlinkException>(() => Route(peer).ReadLinks());
        Assert.Equal(Errno.EINTR, e.Errno);
        Assert.Contains("It changed while it was read, 20 times in a row.", e.Message);
    }

    [Fact]
    public void A_datagram_that_is_too_long_is_asked_for_again_with_room()
    {
        int asked = 0;
        byte[] large = [.. s_link, .. FakePeer.Attribute(20, Encoding.UTF8.GetBytes(new string('x', 60_000))),
            .. FakePeer.Attribute(50, new byte[30_000])];
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
        {
            asked++;
            return [FakePeer.Message(16, 2, FakePeer.SequenceOf(request), large),
                FakePeer.Message(3, 2, FakePeer.SequenceOf(request), 0, 0, 0, 0)];
        });
        Assert.Equal(60_000, Assert.Single(Route(peer).ReadLinks()).Alias!.Length);
        Assert.Equal(2, asked);
    }

    [Fact]
    public void An_error_at_the_end_of_a_list_is_told()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route,
            request => [FakePeer.Message(3, 0x202, FakePeer.SequenceOf(request),
                [.. BitConverter.GetBytes(-22), .. FakePeer.Attribute(1, "bad filter\0"u8)])]);
        NetlinkException e = Assert.Throws<NetlinkException>(() => Route(peer).ReadLinks());
        Assert.Equal((Errno.EINVAL, "bad filter"), (e.Errno, e.KernelMessage));
    }

    public static TheoryData<string, byte[]?> Nonsense => new()
    {
        { "nothing at all", [] },
        { "three bytes", [1, 2, 3] },
        { "a length of zero", new byte[16] },
        { "a length beyond the end", [255, 0, 0, 0, .. new byte[12]] },
        { "a length of four billion", [255, 255, 255, 255, .. new byte[12]] },
        { "an acknowledgement without an error number", [16, 0, 0, 0, 2, 0, 0, 0, .. new byte[8]] },
        { "an error number that is none", null },
    };

    [Theory]
    [MemberData(nameof(Nonsense))]
    public void Nonsense_is_one_kind_of_error_and_never_waits_for_ever(string what, byte[]? answer)
    {
        Assert.NotEmpty(what);
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
        {
            byte[] made = answer ?? FakePeer.Message(2, 0, FakePeer.SequenceOf(request), [.. BitConverter.GetBytes(77), .. new byte[16]]);
            if (made.Length >= 12 && answer is not null)
                BitConverter.TryWriteBytes(made.AsSpan(8), FakePeer.SequenceOf(request));
            return [made];
        });
        Assert.Throws<NetlinkException>(() => Route(peer).Add(new DummyLink { Name = "d" }));
        Assert.Throws<NetlinkException>(() => Route(peer).ReadLinks());
        Assert.Throws<NetlinkException>(() => Route(peer).GetLink("d"));
        Assert.Throws<NetlinkException>(() => Route(peer).CreateBatch().Add(new DummyLink { Name = "d" }).Send());
    }

    [Fact]
    public void A_peer_that_is_silent_talks_of_others_or_is_gone_is_told_in_time()
    {
        using var silent = new FakePeer(NetlinkProtocol.Route, _ => []);
        silent.Socket.Timeout = TimeSpan.FromMilliseconds(300);
        Assert.Equal(Errno.ETIMEDOUT, Assert.Throws<NetlinkException>(() => Route(silent).ReadLinks()).Errno);
        using var babbling = new FakePeer(NetlinkProtocol.Route,
            request => Enumerable.Repeat(FakePeer.Message(16, 2, FakePeer.SequenceOf(request) + 1, s_link), 200_000_000));
        babbling.Socket.Timeout = TimeSpan.FromMilliseconds(300);
        Assert.Equal(Errno.ETIMEDOUT, Assert.Throws<NetlinkException>(() => Route(babbling).ReadLinks()).Errno);
        Assert.Equal(Errno.ETIMEDOUT, Assert.Throws<NetlinkException>(() => Route(babbling).Add(new DummyLink { Name = "d" })).Errno);
        using var gone = new FakePeer(NetlinkProtocol.Route, _ => null);
        Assert.IsType<NetlinkException>(Record.Exception(() => Route(gone).ReadLinks()));
    }

    [Fact]
    public void A_transaction_names_the_change_that_was_refused()
    {
        using var peer = new FakePeer(NetlinkProtocol.Netfilter, request =>
        {
            uint first = FakePeer.SequenceOf(request);
            return [FakePeer.Ack(first + 2, Errno.EEXIST), FakePeer.Ack(first + 3, Errno.None)];
        });
        using var nft = new NftSocket(peer.Socket);
        var table = new NftTable(NftFamily.Inet, "t");
        var chain = new NftChain(table, "c");
        NetlinkException e = Assert.Throws<NetlinkException>(
            () => nft.Execute(new NftBatch().Add(table).Create(chain).Add(new NftRule(chain).Accept())));
        Assert.Equal(
            "Cannot create chain \"c\" of table inet t: NFT_MSG_NEWCHAIN failed with EEXIST (file exists). Nothing of the batch was done.",
            e.Message);
    }

    [Fact]
    public void Once_grown_a_batch_allocates_nothing()
    {
        using var peer = new FakePeer(NetlinkProtocol.Route, request =>
        {
            var made = new List<byte[]>();
            for (int at = 0; at < request.Length; at += BitConverter.ToInt32(request, at))
                made.Add(FakePeer.Ack(BitConverter.ToUInt32(request, at + 8), Errno.None));
            return made;
        });
        RouteBatch batch = Route(peer).CreateBatch();
        RouteObject[] requests = [.. Enumerable.Range(0, 100).SelectMany(i => new RouteObject[]
        {
            new VethLink { Name = $"v{i}", Peer = new Link { Name = $"w{i}" } }, Address.Parse(i + 1, $"10.0.{i}.1/24"),
            new Route(System.Net.IPNetwork.Parse($"10.{i}.0.0/16")) { LinkIndex = i + 1 },
        })];
        void Round()
        {
            foreach (RouteObject request in requests)
                batch.Add(request);
            Assert.True(batch.Send().IsEmpty);
        }

        for (int i = 0; i < 60; i++)
            Round();
        long before = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 0; i < 10; i++)
            Round();
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }
}
