using System.Net;
using System.Net.NetworkInformation;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;
using Isolation.Net.Routing;

namespace Isolation.Net.TrafficControl;

/// <summary>Matches packets by the fields of their headers. <c>tc filter add ... flower</c>; see tc-flower(8).
/// Null matches anything. Since Linux 4.2.</summary>
public sealed record FlowerFilter : TcFilter
{
    private const byte Tcp = 6, Udp = 17, Sctp = 132;

    /// <summary>Initialises one.</summary>
    public FlowerFilter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "flower")
    {
    }

    /// <summary>The hardware address of the sender.</summary>
    public PhysicalAddress? SourceAddress { get; init; }

    /// <summary>The hardware address of the receiver.</summary>
    public PhysicalAddress? DestinationAddress { get; init; }

    /// <summary>The network that it comes from; needs a <see cref="TcFilter.Protocol"/> of that family.</summary>
    public IPNetwork? Source { get; init; }

    /// <summary>The network that it goes to; needs a <see cref="TcFilter.Protocol"/> of that family.</summary>
    public IPNetwork? Destination { get; init; }

    /// <summary>The transport protocol: 6 is TCP, 17 UDP, 132 SCTP.</summary>
    public byte? IPProtocol { get; init; }

    /// <summary>The port that it comes from; needs a transport protocol.</summary>
    public ushort? SourcePort { get; init; }

    /// <summary>The port that it goes to; needs a transport protocol.</summary>
    public ushort? DestinationPort { get; init; }

    private protected override void WriteOptions(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            WriteCommon(writer, PktCls.TCA_FLOWER_CLASSID, PktCls.TCA_FLOWER_ACT);
            if (Protocol != AllProtocols)
                writer.PutBigEndianUInt16(PktCls.TCA_FLOWER_KEY_ETH_TYPE, Protocol);
            if (SourceAddress is not null)
                writer.Put(PktCls.TCA_FLOWER_KEY_ETH_SRC, SourceAddress.GetAddressBytes());
            if (DestinationAddress is not null)
                writer.Put(PktCls.TCA_FLOWER_KEY_ETH_DST, DestinationAddress.GetAddressBytes());
            if (IPProtocol is { } protocol)
                writer.PutByte(PktCls.TCA_FLOWER_KEY_IP_PROTO, protocol);
            PutNetwork(writer, Source, PktCls.TCA_FLOWER_KEY_IPV4_SRC, PktCls.TCA_FLOWER_KEY_IPV6_SRC);
            PutNetwork(writer, Destination, PktCls.TCA_FLOWER_KEY_IPV4_DST, PktCls.TCA_FLOWER_KEY_IPV6_DST);
            PutPort(writer, SourcePort, PktCls.TCA_FLOWER_KEY_TCP_SRC, PktCls.TCA_FLOWER_KEY_UDP_SRC, PktCls.TCA_FLOWER_KEY_SCTP_SRC);
            PutPort(writer, DestinationPort, PktCls.TCA_FLOWER_KEY_TCP_DST, PktCls.TCA_FLOWER_KEY_UDP_DST, PktCls.TCA_FLOWER_KEY_SCTP_DST);
        }
    }

    internal static FlowerFilter ReadOptions(AttributeReader reader)
    {
        var filter = new FlowerFilter(0, default);
        IPAddress? source = null, destination = null;
        int sourceLength = 0, destinationLength = 0;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktCls.TCA_FLOWER_CLASSID:
                    filter = filter with { ClassId = new TcHandle(reader.UInt32) };
                    break;
                case PktCls.TCA_FLOWER_ACT:
                    filter = filter with { Actions = TcAction.ReadAll(reader.Nested) };
                    break;
                case PktCls.TCA_FLOWER_KEY_ETH_SRC:
                    filter = filter with { SourceAddress = new PhysicalAddress(reader.Value.ToArray()) };
                    break;
                case PktCls.TCA_FLOWER_KEY_ETH_DST:
                    filter = filter with { DestinationAddress = new PhysicalAddress(reader.Value.ToArray()) };
                    break;
                case PktCls.TCA_FLOWER_KEY_IP_PROTO:
                    filter = filter with { IPProtocol = reader.Byte };
                    break;
                case PktCls.TCA_FLOWER_KEY_IPV4_SRC or PktCls.TCA_FLOWER_KEY_IPV6_SRC:
                    source = reader.IPAddress;
                    break;
                case PktCls.TCA_FLOWER_KEY_IPV4_SRC_MASK or PktCls.TCA_FLOWER_KEY_IPV6_SRC_MASK:
                    sourceLength = PrefixLength(reader.Value);
                    break;
                case PktCls.TCA_FLOWER_KEY_IPV4_DST or PktCls.TCA_FLOWER_KEY_IPV6_DST:
                    destination = reader.IPAddress;
                    break;
                case PktCls.TCA_FLOWER_KEY_IPV4_DST_MASK or PktCls.TCA_FLOWER_KEY_IPV6_DST_MASK:
                    destinationLength = PrefixLength(reader.Value);
                    break;
                case PktCls.TCA_FLOWER_KEY_TCP_SRC or PktCls.TCA_FLOWER_KEY_UDP_SRC or PktCls.TCA_FLOWER_KEY_SCTP_SRC:
                    filter = filter with { SourcePort = reader.BigEndianUInt16 };
                    break;
                case PktCls.TCA_FLOWER_KEY_TCP_DST or PktCls.TCA_FLOWER_KEY_UDP_DST or PktCls.TCA_FLOWER_KEY_SCTP_DST:
                    filter = filter with { DestinationPort = reader.BigEndianUInt16 };
                    break;
            }
        }

        return filter with
        {
            Source = source is null ? null : Route.Network(source, sourceLength),
            Destination = destination is null ? null : Route.Network(destination, destinationLength),
        };
    }

    private void PutPort(NetlinkWriter writer, ushort? port, ushort tcp, ushort udp, ushort sctp)
    {
        if (port is not { } number)
            return;
        ushort type = IPProtocol switch
        {
            Tcp => tcp,
            Udp => udp,
            Sctp => sctp,
            _ => throw new ArgumentException("A port can only be matched together with TCP, UDP or SCTP as the transport protocol."),
        };
        writer.PutBigEndianUInt16(type, number);
    }

    // The attribute of the mask follows that of the address.
    private static void PutNetwork(NetlinkWriter writer, IPNetwork? network, ushort type4, ushort type6)
    {
        if (network is not { } given)
            return;
        ushort type = AddressText.Family(given) == 2 ? type4 : type6;
        writer.PutAddress(type, given.BaseAddress);
        Span<byte> mask = stackalloc byte[NetlinkWriter.LengthOf(given.BaseAddress)];
        mask.Clear();
        for (int bit = 0; bit < given.PrefixLength; bit++)
            mask[bit / 8] |= (byte)(0x80 >> (bit % 8));
        writer.Put((ushort)(type + 1), mask);
    }

    private static int PrefixLength(ReadOnlySpan<byte> mask)
    {
        int length = 0;
        foreach (byte part in mask)
            length += System.Numerics.BitOperations.PopCount(part);
        return length;
    }
}
