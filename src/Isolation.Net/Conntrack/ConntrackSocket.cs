using System.Collections.Immutable;
using System.Net.Sockets;
using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Nftables;

namespace Isolation.Net.Conntrack;

/// <summary>Lists and deletes the conntrack entries of one network namespace, as conntrack(8) does.</summary>
/// <remarks>Needs <c>CAP_NET_ADMIN</c> in the user namespace that owns the network. Not for several threads at once.</remarks>
/// <example><code>
/// using ConntrackSocket conntrack = ConntrackSocket.Open();
/// foreach (ConntrackEntry entry in conntrack.Read().Where(e => IPAddress.Parse("10.0.0.7").Equals(e.Reply.Source)))
///     conntrack.Delete(entry);
/// </code></example>
public sealed class ConntrackSocket : IDisposable
{
    private readonly NetlinkSocket _socket;
    private readonly NetlinkWriter _writer = new();

    internal ConntrackSocket(NetlinkSocket socket) => _socket = socket;

    /// <summary>Opens a socket.</summary>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_SYS_ADMIN</c> over that network namespace.</exception>
    public static ConntrackSocket Open(LinuxHandle? networkNamespace = null) =>
        new(NetlinkSocket.Open(NetlinkProtocol.Netfilter, networkNamespace));

    /// <summary>Reads the tracked connections, of both directions and all states.</summary>
    /// <param name="family">IPv4 or IPv6; null for both.</param>
    /// <exception cref="NetlinkException"><c>EPERM</c>: no <c>CAP_NET_ADMIN</c>. <c>EINVAL</c>: the kernel tracks no connections,
    /// or cannot tell of them (nf_conntrack_netlink).</exception>
    public ImmutableArray<ConntrackEntry> Read(AddressFamily? family = null)
    {
        var found = ImmutableArray.CreateBuilder<ConntrackEntry>();
        Begin(NfConntrack.IPCTNL_MSG_CT_GET, Family(family));
        _writer.End();
        _socket.Dump(_writer, "read", "the tracked connections", found, static f => f.Clear(),
            static (_, payload, f) => f.Add(ConntrackEntry.Read(NftSocket.Attributes(payload))));
        return found.DrainToImmutable();
    }

    /// <summary>Forgets a connection: its next packet is a first one again, and asks the rules of translation anew.</summary>
    /// <returns>Whether it was still there.</returns>
    /// <exception cref="NetlinkException"><c>EPERM</c>: no <c>CAP_NET_ADMIN</c>.</exception>
    public bool Delete(ConntrackEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        Begin(NfConntrack.IPCTNL_MSG_CT_DELETE, Family(entry.Original.Source.AddressFamily));
        entry.Original.Write(_writer, NfConntrack.CTA_TUPLE_ORIG);
        if (entry.Zone != 0)
            _writer.PutBigEndianUInt16(NfConntrack.CTA_ZONE, entry.Zone);
        // Another one may have the same addresses and ports by now.
        if (entry.Id != 0)
            _writer.PutBigEndianUInt32(NfConntrack.CTA_ID, entry.Id);
        _writer.End();
        try
        {
            _socket.Execute(_writer, "forget", entry);
            return true;
        }
        catch (NetlinkException e) when (e.Errno == Errno.ENOENT)
        {
            return false;
        }
    }

    /// <summary>Closes the socket.</summary>
    public void Dispose() => _socket.Dispose();

    private static byte Family(AddressFamily? family) => family switch
    {
        null => 0,
        AddressFamily.InterNetwork => Nfnetlink.NFPROTO_IPV4,
        AddressFamily.InterNetworkV6 => Nfnetlink.NFPROTO_IPV6,
        _ => throw new ArgumentException($"{family} has no tracked connections: IPv4 and IPv6 have.", nameof(family)),
    };

    private void Begin(ushort type, byte family)
    {
        _writer.Clear();
        _writer.BeginNetfilter(NfConntrack.NFNL_SUBSYS_CTNETLINK, type, 0, family);
    }
}
