using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net.NetworkInformation;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

public partial record Link
{
    private const ushort AF_INET6 = 10;

    /// <summary>Reads the payload of <c>RTM_NEWLINK</c>.</summary>
    internal static Link Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 16)
            throw NetlinkException.Malformed($"A link has {payload.Length} bytes.");
        var flags = (LinkFlags)BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]);
        string? name = null, alias = null, qdisc = null;
        int? mtu = null, master = null, parent = null, queueLength = null, sendQueues = null, receiveQueues = null, gso = null,
            parentNamespace = null;
        uint? group = null;
        PhysicalAddress? address = null;
        ImmutableArray<string> names = [];
        LinkStatistics? statistics = null;
        OperationalState state = default;
        AddressGeneration? generation = null;
        BridgePort? port = null;
        Link link = s_plain;
        var reader = new AttributeReader(payload[16..]);
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case IfLink.IFLA_IFNAME:
                    name = reader.Text;
                    break;
                case IfLink.IFLA_MTU:
                    mtu = reader.Int32;
                    break;
                case IfLink.IFLA_ADDRESS:
                    address = new PhysicalAddress(reader.Value.ToArray());
                    break;
                case IfLink.IFLA_MASTER:
                    master = reader.Int32;
                    break;
                case IfLink.IFLA_LINK:
                    parent = reader.Int32;
                    break;
                case IfLink.IFLA_TXQLEN:
                    queueLength = reader.Int32;
                    break;
                case IfLink.IFLA_NUM_TX_QUEUES:
                    sendQueues = reader.Int32;
                    break;
                case IfLink.IFLA_NUM_RX_QUEUES:
                    receiveQueues = reader.Int32;
                    break;
                case IfLink.IFLA_GSO_MAX_SIZE:
                    gso = reader.Int32;
                    break;
                case IfLink.IFLA_GROUP:
                    group = reader.UInt32;
                    break;
                case IfLink.IFLA_IFALIAS:
                    alias = reader.Text;
                    break;
                case IfLink.IFLA_QDISC:
                    qdisc = reader.Text;
                    break;
                case IfLink.IFLA_OPERSTATE:
                    state = (OperationalState)reader.Byte;
                    break;
                case IfLink.IFLA_LINK_NETNSID:
                    parentNamespace = reader.Int32;
                    break;
                case IfLink.IFLA_PROP_LIST:
                    names = LinkNames.NamesIn(reader);
                    break;
                case IfLink.IFLA_STATS64:
                    statistics = LinkStatistics.Read(reader);
                    break;
                case IfLink.IFLA_LINKINFO:
                    (link, port) = ReadInfo(reader.Nested);
                    break;
                case IfLink.IFLA_AF_SPEC when payload[0] == 0:
                    generation = ReadGeneration(reader.Nested);
                    break;
            }
        }

        return link with
        {
            Index = BinaryPrimitives.ReadInt32LittleEndian(payload[4..]),
            HardwareType = BinaryPrimitives.ReadUInt16LittleEndian(payload[2..]),
            Flags = flags,
            Up = flags.HasFlag(LinkFlags.Up),
            Arp = !flags.HasFlag(LinkFlags.NoArp),
            Promiscuous = flags.HasFlag(LinkFlags.Promiscuous),
            AllMulticast = flags.HasFlag(LinkFlags.AllMulticast),
            Multicast = flags.HasFlag(LinkFlags.Multicast),
            Name = name,
            Mtu = mtu,
            Address = address,
            Master = master,
            ParentIndex = parent,
            TransmitQueueLength = queueLength,
            TransmitQueues = sendQueues,
            ReceiveQueues = receiveQueues,
            GsoMaxSize = gso,
            Group = group,
            Alias = alias,
            Qdisc = qdisc,
            State = state,
            ParentNamespaceId = parentNamespace,
            AlternativeNames = names,
            Statistics = statistics,
            AddressGeneration = generation,
            BridgePort = port,
        };
    }

    private static readonly Link s_plain = new();

    private static (Link Link, BridgePort? Port) ReadInfo(AttributeReader info)
    {
        string? kind = null, portKind = null;
        BridgePort? port = null;
        AttributeReader data = default;
        while (info.MoveNext())
        {
            switch (info.Type)
            {
                case IfLink.IFLA_INFO_KIND:
                    kind = info.Text;
                    break;
                case IfLink.IFLA_INFO_DATA:
                    data = info.Nested;
                    break;
                case IfLink.IFLA_INFO_SLAVE_KIND:
                    portKind = info.Text;
                    break;
                case IfLink.IFLA_INFO_SLAVE_DATA when portKind == "bridge":
                    port = BridgePort.Read(info.Nested);
                    break;
            }
        }

        Link link = kind switch
        {
            "veth" => new VethLink(),
            "dummy" => new DummyLink(),
            "ifb" => new IfbLink(),
            "bridge" => BridgeLink.ReadData(data),
            "vlan" => VlanLink.ReadData(data),
            "macvlan" => MacvlanLink.ReadData(data),
            "ipvlan" => IpvlanLink.ReadData(data),
            "vxlan" => VxlanLink.ReadData(data),
            "vrf" => VrfLink.ReadData(data),
            "wireguard" => new WireguardLink(),
            "tun" => TunLink.ReadData(data),
            null => s_plain,
            _ => new Link { Kind = kind },
        };
        return (link, port);
    }

    private static AddressGeneration? ReadGeneration(AttributeReader families)
    {
        while (families.MoveNext())
        {
            if (families.Type != AF_INET6)
                continue;
            AttributeReader inet6 = families.Nested;
            while (inet6.MoveNext())
            {
                if (inet6.Type == IfLink.IFLA_INET6_ADDR_GEN_MODE)
                    return (AddressGeneration)inet6.Byte;
            }
        }

        return null;
    }
}
