using FsCheck;
using FsCheck.Fluent;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;
using Isolation.Net.Routing;

namespace Isolation.Net.Tests;

/// <summary>Any bytes are a value or one kind of error, and what is written is read back.</summary>
public class DecoderLaws
{
    [Fact]
    public void Any_bytes_are_a_value_or_a_netlink_exception()
    {
        byte[][] seeds = Decoders.Seeds();
        Gen<byte[]> noise = Gen.ArrayOf(Gen.Choose(0, 255).Select(b => (byte)b));
        Gen<byte[]> mutated =
            from seed in Gen.Elements(seeds)
            from changes in Gen.ListOf(from at in Gen.Choose(0, Math.Max(0, seed.Length - 1))
                                       from value in Gen.OneOf(Gen.Choose(0, 255), Gen.Elements(0, 1, 3, 4, 5, 127, 128, 255))
                                       select (at, (byte)value))
            from cut in Gen.Choose(0, seed.Length)
            from cuts in Gen.Elements(true, false)
            select Mutate(seed, changes, cuts ? cut : seed.Length);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(4000), Prop.ForAll(Arb.From(Gen.OneOf(noise, mutated)), bytes =>
        {
            foreach ((string name, Decoders.Decoder decode) in Decoders.All)
            {
                try
                {
                    decode(bytes);
                }
                catch (NetlinkException)
                {
                    // the one kind of error
                }
                catch (Exception e)
                {
                    Assert.Fail($"{name}: {e}");
                }
            }
        }));
    }

    [Fact]
    public void A_time_beyond_all_times_is_the_longest()
    {
        byte[] attribute = [12, 0, (byte)NfTables.NFTA_SET_TIMEOUT, 0, .. Enumerable.Repeat((byte)0xff, 8)];
        TimeSpan longest = TimeSpan.FromMilliseconds(long.MaxValue / TimeSpan.TicksPerMillisecond);
        Assert.Equal(longest, NftSet.Read(NftFamily.Inet, new AttributeReader(attribute)).Timeout);
        byte[] element = [12, 0, (byte)NfTables.NFTA_SET_ELEM_TIMEOUT, 0, .. Enumerable.Repeat((byte)0xff, 8)];
        Assert.Contains(Decoders.Elements([16, 0, 1, 0x80, .. element]), e => e.Item1.Timeout == longest);
    }

    [Fact]
    public void A_socket_that_gets_any_bytes_ends_with_a_value_or_a_netlink_exception()
    {
        byte[][] seeds = Decoders.Seeds();
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(150), Prop.ForAll(Arb.From(
            from seed in Gen.Elements(seeds)
            from type in Gen.Elements<ushort>(2, 3, 16, 20, 24, 32, 36)
            from flags in Gen.Elements<ushort>(0, 2, 0x10, 0x100, 0x200, 0x300)
            from changes in Gen.ListOf(from at in Gen.Choose(0, seed.Length + 15) from value in Gen.Choose(0, 255) select (at, (byte)value))
            select (seed, type, flags, changes)), made =>
        {
            using var peer = new FakePeer(NetlinkProtocol.Route,
                request => [Mutate(FakePeer.Message(made.type, made.flags, FakePeer.SequenceOf(request), made.seed), made.changes,
                    made.seed.Length + 16)]);
            peer.Socket.Timeout = TimeSpan.FromMilliseconds(20);
            var route = new RouteSocket(peer.Socket);
            Exception? e = Record.Exception(() => route.ReadLinks());
            Assert.True(e is null or NetlinkException, e?.ToString());
            e = Record.Exception(() => route.Add(new DummyLink { Name = "d" }));
            Assert.True(e is null or NetlinkException, e?.ToString());
        }));
    }

    private static byte[] Mutate(byte[] seed, IEnumerable<(int At, byte Value)> changes, int length)
    {
        byte[] bytes = [.. seed];
        foreach ((int at, byte value) in changes)
        {
            if (at < bytes.Length)
                bytes[at] = value;
        }

        return bytes[..Math.Min(length, bytes.Length)];
    }
}
