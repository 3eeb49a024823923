using System.Collections.Frozen;
using System.Collections.Immutable;
using Isolation.Linux.Abi;

namespace Isolation.Net.Netlink;

/// <summary>Which message of which family has which attributes.</summary>
internal static class AttributeSpaces
{
    private static readonly Lazy<FrozenDictionary<ushort, (int Header, AttributeSpace Space)>> s_route = new(MakeRoute);
    private static readonly Lazy<ImmutableArray<AttributeSpace?>> s_nftables = new(MakeNftables);

    /// <summary>The length of a message's fixed struct and the names behind it; null where the message is unknown.</summary>
    internal static (int Header, AttributeSpace Space)? Of(NetlinkProtocol protocol, ushort type)
    {
        if (protocol == NetlinkProtocol.Route)
            return s_route.Value.TryGetValue(type, out var found) ? found : null;
        int message = type & 0xff;
        return type >> 8 == Nfnetlink.NFNL_SUBSYS_NFTABLES && message < s_nftables.Value.Length && s_nftables.Value[message] is { } space
            ? (4, space)
            : null;
    }

    private static FrozenDictionary<ushort, (int Header, AttributeSpace Space)> MakeRoute()
    {
        AttributeSpace bridgePort = new(AttributeNames.BridgePort), inet6 = new(AttributeNames.Inet6);
        var kinds = new Dictionary<string, AttributeSpace>
        {
            ["bridge"] = new(AttributeNames.Bridge),
            ["vlan"] = new(AttributeNames.Vlan),
            ["macvlan"] = new(AttributeNames.Macvlan),
            ["macvtap"] = new(AttributeNames.Macvlan),
            ["ipvlan"] = new(AttributeNames.Ipvlan),
            ["vrf"] = new(AttributeNames.Vrf),
            ["vxlan"] = new(AttributeNames.Vxlan),
            ["veth"] = new(AttributeNames.Veth, (IfLink.VETH_INFO_PEER, new AttributeSpace(AttributeNames.Link) { HeaderLength = 16 })),
        };
        var info = new AttributeSpace(AttributeNames.LinkInfo, (IfLink.IFLA_INFO_SLAVE_DATA, bridgePort))
        {
            ByKind = (IfLink.IFLA_INFO_KIND, IfLink.IFLA_INFO_DATA, kinds.ToFrozenDictionary()),
        };
        var link = new AttributeSpace(AttributeNames.Link, (IfLink.IFLA_LINKINFO, info),
            (IfLink.IFLA_AF_SPEC, new AttributeSpace([], (10, inet6)) { Elements = inet6 }));
        var route = new AttributeSpace(AttributeNames.Route, (Rtnetlink.RTA_METRICS, new AttributeSpace(AttributeNames.Metrics)));
        var action = new AttributeSpace(AttributeNames.Action)
        {
            ByKind = (PktCls.TCA_ACT_KIND, PktCls.TCA_ACT_OPTIONS, new Dictionary<string, AttributeSpace>
            {
                ["police"] = new(AttributeNames.Police),
                ["mirred"] = new(AttributeNames.Mirred),
                ["skbedit"] = new(AttributeNames.Skbedit),
                ["gact"] = new(AttributeNames.Gact),
            }.ToFrozenDictionary()),
        };
        var actions = new AttributeSpace([]) { Elements = action };
        var options = new Dictionary<string, AttributeSpace>
        {
            ["tbf"] = new(AttributeNames.Tbf),
            ["htb"] = new(AttributeNames.Htb),
            ["fq_codel"] = new(AttributeNames.FqCodel),
            ["netem"] = new(AttributeNames.Netem) { HeaderLength = 24 },
            ["u32"] = new(AttributeNames.U32, (PktCls.TCA_U32_ACT, actions)),
            ["flower"] = new(AttributeNames.Flower, (PktCls.TCA_FLOWER_ACT, actions)),
            ["matchall"] = new(AttributeNames.Matchall, (PktCls.TCA_MATCHALL_ACT, actions)),
            ["bpf"] = new(AttributeNames.Bpf, (PktCls.TCA_BPF_ACT, actions)),
            ["cgroup"] = new(AttributeNames.Cgroup, (PktCls.TCA_CGROUP_ACT, actions)),
        }.ToFrozenDictionary();
        var tc = new AttributeSpace(AttributeNames.Tc) { ByKind = (Rtnetlink.TCA_KIND, Rtnetlink.TCA_OPTIONS, options) };
        var found = new Dictionary<ushort, (int, AttributeSpace)>();
        // The messages of an object follow each other: new, delete, get, and for some set.
        void Add(ushort first, int header, AttributeSpace space)
        {
            for (ushort i = 0; i < 4; i++)
                found[(ushort)(first + i)] = (header, space);
        }

        Add(Rtnetlink.RTM_NEWLINK, 16, link);
        Add(Rtnetlink.RTM_NEWADDR, 8, new AttributeSpace(AttributeNames.Address));
        Add(Rtnetlink.RTM_NEWROUTE, 12, route);
        Add(Rtnetlink.RTM_NEWNEIGH, 12, new AttributeSpace(AttributeNames.Neighbour));
        Add(Rtnetlink.RTM_NEWRULE, 12, new AttributeSpace(AttributeNames.Rule));
        Add(Rtnetlink.RTM_NEWQDISC, 20, tc);
        Add(Rtnetlink.RTM_NEWTCLASS, 20, tc);
        Add(Rtnetlink.RTM_NEWTFILTER, 20, tc);
        Add(Rtnetlink.RTM_NEWNEXTHOP, 8, new AttributeSpace(AttributeNames.Nexthop));
        Add(Rtnetlink.RTM_NEWLINKPROP, 16, link);
        return found.ToFrozenDictionary();
    }

    private static ImmutableArray<AttributeSpace?> MakeNftables()
    {
        var verdict = new AttributeSpace(AttributeNames.NftData,
            (NfTables.NFTA_DATA_VERDICT, new AttributeSpace(AttributeNames.NftVerdict)));
        var expressions = new AttributeSpace(AttributeNames.NftList) { Elements = new AttributeSpace(AttributeNames.NftExpression) };
        var elements = new AttributeSpace(AttributeNames.NftList)
        {
            Elements = new AttributeSpace(AttributeNames.NftElement, (NfTables.NFTA_SET_ELEM_KEY, verdict),
                (NfTables.NFTA_SET_ELEM_DATA, verdict)),
        };
        AttributeSpace table = new(AttributeNames.NftTable),
            rule = new(AttributeNames.NftRule, (NfTables.NFTA_RULE_EXPRESSIONS, expressions));
        var chain = new AttributeSpace(AttributeNames.NftChain, (NfTables.NFTA_CHAIN_HOOK, new AttributeSpace(AttributeNames.NftHook)));
        var set = new AttributeSpace(AttributeNames.NftSet, (NfTables.NFTA_SET_DESC, new AttributeSpace(AttributeNames.NftSetDescription)));
        var list = new AttributeSpace(AttributeNames.NftElementList, (NfTables.NFTA_SET_ELEM_LIST_ELEMENTS, elements));
        var spaces = new AttributeSpace?[NfTables.NFT_MSG_DELOBJ + 1];
        foreach ((ushort first, AttributeSpace space) in new[]
        {
            (NfTables.NFT_MSG_NEWTABLE, table), (NfTables.NFT_MSG_NEWCHAIN, chain), (NfTables.NFT_MSG_NEWRULE, rule),
            (NfTables.NFT_MSG_NEWSET, set),
            (NfTables.NFT_MSG_NEWSETELEM, list), (NfTables.NFT_MSG_NEWOBJ, new AttributeSpace(AttributeNames.NftObject)),
        })
        {
            for (int i = 0; i < 3; i++)
                spaces[first + i] = space;
        }

        return [.. spaces];
    }
}
