using System.Globalization;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>All links of a group (<see cref="Link.Group"/>), which are changed or deleted at once:
/// <c>ip link set group N</c>, <c>ip link delete group N</c>.</summary>
/// <remarks>Deleting a group is much faster than deleting its links: the kernel waits once, not once for each link.</remarks>
/// <param name="Number">The group; 0 is that of all links that were put into no other, which cannot be deleted.</param>
/// <example><code>
/// route.Change(new LinkGroup(7) { Up = true });
/// route.Delete(new LinkGroup(7));
/// </code></example>
public sealed record LinkGroup(uint Number) : RouteObject
{
    /// <summary>Whether they are up: <c>IFF_UP</c>.</summary>
    public bool? Up { get; init; }

    /// <summary>The largest packet, in bytes.</summary>
    public int? Mtu { get; init; }

    /// <summary>The bridge or other link that they become ports of, by its index; 0 takes them out.</summary>
    public int? Master { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWLINK;

    internal override string Noun => "link group";

    internal override string Subject => Number.ToString(CultureInfo.InvariantCulture);

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        if (flags != 0)
            throw new ArgumentException("A group of links is there when a link is in it, and can only be changed or deleted.");
        Span<byte> header = stackalloc byte[16];
        new Link { Up = Up }.WriteHeader(header);
        writer.Begin(Rtnetlink.RTM_NEWLINK, 0, header);
        Write(writer);
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        if (Number == 0)
            throw new ArgumentException("Group 0 is that of all links that were put into no other: it cannot be deleted.");
        Span<byte> header = stackalloc byte[16];
        header.Clear();
        writer.Begin(Rtnetlink.RTM_DELLINK, 0, header);
        Write(writer);
    }

    private void Write(NetlinkWriter writer)
    {
        writer.PutUInt32(IfLink.IFLA_GROUP, Number);
        if (Mtu is { } mtu)
            writer.PutInt32(IfLink.IFLA_MTU, mtu);
        if (Master is { } master)
            writer.PutInt32(IfLink.IFLA_MASTER, master);
        writer.End();
    }
}
