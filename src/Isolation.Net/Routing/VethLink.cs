using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>One end of a pair of links: what goes into one comes out of the other.
/// <c>ip link add NAME type veth peer name PEER</c>.</summary>
/// <remarks>When one end is deleted, or its network namespace ends, the other is gone too.
/// See veth(4), and <see cref="VethPair"/>.</remarks>
/// <example><code>
/// route.Add(new VethLink { Name = "v0", Up = true, Peer = new Link { Name = "eth0", NetworkNamespace = inside } });
/// </code></example>
public sealed record VethLink : Link
{
    /// <summary>Initialises one end.</summary>
    public VethLink() => Kind = "veth";

    /// <summary>The other end, for a new pair: its name, number, hardware address and network namespace. It cannot be set up yet.
    /// Never read: see <see cref="Link.ParentIndex"/>.</summary>
    public Link? Peer { get; init; }

    private protected override bool HasData => Peer is not null;

    private protected override void WriteData(NetlinkWriter writer)
    {
        Span<byte> header = stackalloc byte[16];
        Peer!.WriteHeader(header);
        using (writer.Nested(IfLink.VETH_INFO_PEER, header))
            Peer.WriteAttributes(writer);
    }
}
