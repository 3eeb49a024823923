using System.Globalization;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>The kernel's names of message types, for errors.</summary>
internal static class MessageNames
{
    private static readonly (ushort First, string Name)[] s_route =
    [
        (Rtnetlink.RTM_NEWLINK, "LINK"), (Rtnetlink.RTM_NEWADDR, "ADDR"), (Rtnetlink.RTM_NEWROUTE, "ROUTE"),
        (Rtnetlink.RTM_NEWNEIGH, "NEIGH"),
        (Rtnetlink.RTM_NEWRULE, "RULE"), (Rtnetlink.RTM_NEWQDISC, "QDISC"), (Rtnetlink.RTM_NEWTCLASS, "TCLASS"),
        (Rtnetlink.RTM_NEWTFILTER, "TFILTER"),
        (Rtnetlink.RTM_NEWNSID, "NSID"), (Rtnetlink.RTM_NEWNEXTHOP, "NEXTHOP"), (Rtnetlink.RTM_NEWLINKPROP, "LINKPROP"),
    ];

    private static readonly string[] s_verbs = ["NEW", "DEL", "GET", "SET"], s_netfilterVerbs = ["NEW", "GET", "DEL"];

    private static readonly (ushort First, string Name)[] s_netfilter =
    [
        (NfTables.NFT_MSG_NEWTABLE, "TABLE"), (NfTables.NFT_MSG_NEWCHAIN, "CHAIN"), (NfTables.NFT_MSG_NEWRULE, "RULE"),
        (NfTables.NFT_MSG_NEWSET, "SET"),
        (NfTables.NFT_MSG_NEWSETELEM, "SETELEM"), (NfTables.NFT_MSG_NEWOBJ, "OBJ"),
    ];

    internal static string Of(NetlinkProtocol protocol, ushort type)
    {
        if (protocol == NetlinkProtocol.Route)
        {
            foreach ((ushort first, string name) in s_route)
            {
                if (type >= first && type < first + 4)
                    return $"RTM_{s_verbs[type - first]}{name}";
            }
        }
        else if (protocol == NetlinkProtocol.Generic)
        {
            return string.Create(CultureInfo.InvariantCulture, $"generic netlink message {type}");
        }
        else if (type >> 8 == Nfnetlink.NFNL_SUBSYS_NFTABLES)
        {
            int message = type & 0xff;
            foreach ((ushort first, string name) in s_netfilter)
            {
                if (message >= first && message < first + 3)
                    return $"NFT_MSG_{s_netfilterVerbs[message - first]}{name}";
            }
        }
        else if (type >> 8 == NfConntrack.NFNL_SUBSYS_CTNETLINK && (type & 0xff) < s_netfilterVerbs.Length)
        {
            return "IPCTNL_MSG_CT_" + ((type & 0xff) == NfConntrack.IPCTNL_MSG_CT_DELETE ? "DELETE" : s_netfilterVerbs[type & 0xff]);
        }
        else if (type == Nfnetlink.NFNL_MSG_BATCH_BEGIN)
        {
            return "NFNL_MSG_BATCH_BEGIN";
        }

        return string.Create(CultureInfo.InvariantCulture, $"netlink message {type}");
    }

    /// <summary>The name of a command of WireGuard, or of the one that finds its number.</summary>
    internal static string OfWireguard(ReadOnlySpan<byte> request) =>
        NetlinkSocket.TypeOf(request) == Genetlink.GENL_ID_CTRL ? "CTRL_CMD_GETFAMILY"
            : request[NetlinkWriter.HeaderLength] == WireguardAbi.WG_CMD_GET_DEVICE ? "WG_CMD_GET_DEVICE" : "WG_CMD_SET_DEVICE";
}
