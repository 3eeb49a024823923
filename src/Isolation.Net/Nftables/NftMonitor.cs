using Isolation.Linux;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>Yields changes to the packet filter of one network namespace, from the moment that it is opened:
/// <c>nft monitor</c>.</summary>
/// <example><code>
/// using NftMonitor monitor = NftMonitor.Open();
/// await foreach (NftEvent e in monitor.ReadAllAsync(cancellationToken))
///     Console.WriteLine(e);
/// </code></example>
public sealed class NftMonitor : IDisposable
{
    private readonly NetlinkMonitor<NftEvent> _monitor;

    private NftMonitor(NetlinkSocket socket) => _monitor = new NetlinkMonitor<NftEvent>(socket, Read);

    /// <summary>Opens a monitor, which yields the changes that happen from now on.</summary>
    /// <param name="networkNamespace">The network namespace:
    /// a descriptor of it, or a pidfd of a process in it; null for the caller's.</param>
    /// <exception cref="LinuxException"><c>EPERM</c>: no <c>CAP_NET_ADMIN</c>, or no <c>CAP_SYS_ADMIN</c>
    /// over that network namespace.</exception>
    public static NftMonitor Open(LinuxHandle? networkNamespace = null)
    {
        NetlinkSocket socket = NetlinkSocket.Open(NetlinkProtocol.Netfilter, networkNamespace);
        try
        {
            socket.Join(Nfnetlink.NFNLGRP_NFTABLES);
            return new NftMonitor(socket);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>The changes, as they happen, without end. One reader at a time; another one that begins later goes on where that
    /// stopped.</summary>
    /// <exception cref="NetlinkException"><c>ENOBUFS</c>: the kernel dropped changes that did not fit its buffer, so that what was read
    /// before
    /// is stale. A reader that begins then gets the changes from there on.</exception>
    public IAsyncEnumerable<NftEvent> ReadAllAsync(CancellationToken cancellationToken = default) =>
        _monitor.ReadAllAsync(cancellationToken);

    /// <summary>Closes the monitor; a reader comes to the end.</summary>
    public void Dispose() => _monitor.Dispose();

    internal static NftEvent? Read(ushort type, ReadOnlySpan<byte> payload)
    {
        if (type >> 8 != Nfnetlink.NFNL_SUBSYS_NFTABLES)
            return null;
        NftFamily family = NftSocket.FamilyOf(payload);
        AttributeReader reader = NftSocket.Attributes(payload);
        switch (type & 0xff)
        {
            case NfTables.NFT_MSG_NEWTABLE or NfTables.NFT_MSG_DELTABLE:
                return new NftEvent(NftTable.Read(family, reader), null, (type & 0xff) == NfTables.NFT_MSG_DELTABLE);
            case NfTables.NFT_MSG_NEWCHAIN or NfTables.NFT_MSG_DELCHAIN:
                return new NftEvent(NftChain.Read(family, reader), null, (type & 0xff) == NfTables.NFT_MSG_DELCHAIN);
            case NfTables.NFT_MSG_NEWRULE or NfTables.NFT_MSG_DELRULE:
                return new NftEvent(NftRule.Read(family, reader), null, (type & 0xff) == NfTables.NFT_MSG_DELRULE);
            case NfTables.NFT_MSG_NEWSET or NfTables.NFT_MSG_DELSET:
                return new NftEvent(NftSet.Read(family, reader), null, (type & 0xff) == NfTables.NFT_MSG_DELSET);
            case NfTables.NFT_MSG_NEWOBJ or NfTables.NFT_MSG_DELOBJ:
                return NftStateful.Read(family, reader) is { } state
                    ? new NftEvent(state, null, (type & 0xff) == NfTables.NFT_MSG_DELOBJ)
                    : null;
            case NfTables.NFT_MSG_NEWSETELEM or NfTables.NFT_MSG_DELSETELEM:
                return new NftEvent(null, ReadElements(family, reader), (type & 0xff) == NfTables.NFT_MSG_DELSETELEM);
            default:
                return null;
        }
    }

    private static NftElements ReadElements(NftFamily family, AttributeReader reader)
    {
        string table = "", set = "";
        var elements = new List<(NftElement Element, bool IsEnd)>();
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case NfTables.NFTA_SET_ELEM_LIST_TABLE:
                    table = reader.Text;
                    break;
                case NfTables.NFTA_SET_ELEM_LIST_SET:
                    set = reader.Text;
                    break;
                case NfTables.NFTA_SET_ELEM_LIST_ELEMENTS:
                    NftElement.Read(reader.Nested, elements);
                    break;
            }
        }

        return new NftElements(new NftSet(family, table, set), [.. elements.Where(e => !e.IsEnd).Select(e => e.Element)]);
    }
}
