using Isolation.Linux;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>Two links, joined: what goes into one comes out of the other. <c>ip link add NAME type veth peer name PEER</c>.</summary>
/// <example><code>
/// using LinuxHandle inside = NetworkNamespace.Create();
/// VethPair pair = VethPair.Create("veth0", "eth0", peerNamespace: inside);
/// using RouteSocket route = RouteSocket.Open();
/// route.Change(new Link { Index = pair.Link.Index, Up = true });
/// </code></example>
public sealed record VethPair
{
    private VethPair(Link link, Link peer) => (Link, Peer) = (link, peer);

    /// <summary>The first end.</summary>
    public Link Link { get; }

    /// <summary>The second end, as it is in its own network namespace.</summary>
    public Link Peer { get; }

    /// <summary>Makes a pair.</summary>
    /// <remarks><c>RTM_NEWLINK</c>. Needs <c>CAP_NET_ADMIN</c> over both network namespaces.</remarks>
    /// <param name="name">The first end's name.</param>
    /// <param name="peerName">The second end's name.</param>
    /// <param name="networkNamespace">Where the first end is: a descriptor of a network namespace; null for the caller's.</param>
    /// <param name="peerNamespace">Where the second end is; null for where the first is.</param>
    /// <exception cref="NetlinkException"><c>EEXIST</c>: a link has one of the names. <c>EPERM</c>: no <c>CAP_NET_ADMIN</c>.
    /// <c>EOPNOTSUPP</c>: the kernel has no veth.</exception>
    public static VethPair Create(string name, string peerName, LinuxHandle? networkNamespace = null, LinuxHandle? peerNamespace = null) =>
        Create(new VethLink { Name = name, Peer = new Link { Name = peerName, NetworkNamespace = peerNamespace } }, networkNamespace);

    /// <summary>Makes a pair with all that the two records say of its ends.</summary>
    /// <inheritdoc cref="Create(string, string, LinuxHandle?, LinuxHandle?)" path="/exception"/>
    public static VethPair Create(VethLink pair, LinuxHandle? networkNamespace = null)
    {
        ArgumentNullException.ThrowIfNull(pair);
        if (pair.Name is not { } name || pair.Peer?.Name is not { } peerName)
            throw new ArgumentException("Both ends of a pair need names.", nameof(pair));
        using RouteSocket route = RouteSocket.Open(networkNamespace);
        // The kernel sets no peer up before the pair is whole.
        route.Add(pair with { Peer = pair.Peer with { Up = null } });
        using RouteSocket own = OpenFor(pair, networkNamespace);
        using RouteSocket other = OpenFor(pair.Peer, networkNamespace);
        if (pair.Peer.Up == true)
            other.SetUp(peerName);
        return new VethPair(own.GetLink(name), other.GetLink(peerName));
    }

    private static RouteSocket OpenFor(Link end, LinuxHandle? otherwise)
    {
        if (end.NetworkNamespaceOfProcess is not { } processId)
            return RouteSocket.Open(end.NetworkNamespace ?? otherwise);
        using PidHandle process = PidHandle.Open(processId);
        return RouteSocket.Open(process);
    }
}
