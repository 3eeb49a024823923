using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Conntrack;

/// <summary>One direction of a tracked connection: what its packets have in their headers.</summary>
/// <param name="Source">Where they come from.</param>
/// <param name="Destination">Where they go to.</param>
/// <param name="Protocol">The transport protocol, by its number: 6 is tcp, 17 udp, 132 sctp.</param>
public sealed record ConntrackTuple(IPAddress Source, IPAddress Destination, byte Protocol)
{
    /// <summary>The port that they come from; 0 for protocols without ports.</summary>
    public ushort SourcePort { get; init; }

    /// <summary>The port that they go to; 0 for protocols without ports.</summary>
    public ushort DestinationPort { get; init; }

    /// <summary>Of ICMP: what an answer has in common with its question.</summary>
    public ushort IcmpId { get; init; }

    /// <summary>Of ICMP: the type.</summary>
    public byte IcmpType { get; init; }

    /// <summary>Of ICMP: the code.</summary>
    public byte IcmpCode { get; init; }

    private bool IsIcmp => Protocol is (byte)ProtocolType.Icmp or (byte)ProtocolType.IcmpV6;

    private bool IsV6 => Source.AddressFamily == AddressFamily.InterNetworkV6;

    /// <summary>As <c>conntrack -L</c> writes it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"src={Source} dst={Destination} "
            + $"{(IsIcmp ? $"type={IcmpType} code={IcmpCode} id={IcmpId}" : $"sport={SourcePort} dport={DestinationPort}")}");

    internal void Write(NetlinkWriter writer, ushort type)
    {
        using NetlinkWriter.NestedAttribute tuple = writer.Nested(type);
        using (writer.Nested(NfConntrack.CTA_TUPLE_IP))
        {
            writer.PutAddress(IsV6 ? NfConntrack.CTA_IP_V6_SRC : NfConntrack.CTA_IP_V4_SRC, Source);
            writer.PutAddress(IsV6 ? NfConntrack.CTA_IP_V6_DST : NfConntrack.CTA_IP_V4_DST, Destination);
        }

        using NetlinkWriter.NestedAttribute protocol = writer.Nested(NfConntrack.CTA_TUPLE_PROTO);
        writer.PutByte(NfConntrack.CTA_PROTO_NUM, Protocol);
        if (IsIcmp)
        {
            writer.PutBigEndianUInt16(IsV6 ? NfConntrack.CTA_PROTO_ICMPV6_ID : NfConntrack.CTA_PROTO_ICMP_ID, IcmpId);
            writer.PutByte(IsV6 ? NfConntrack.CTA_PROTO_ICMPV6_TYPE : NfConntrack.CTA_PROTO_ICMP_TYPE, IcmpType);
            writer.PutByte(IsV6 ? NfConntrack.CTA_PROTO_ICMPV6_CODE : NfConntrack.CTA_PROTO_ICMP_CODE, IcmpCode);
        }
        else
        {
            writer.PutBigEndianUInt16(NfConntrack.CTA_PROTO_SRC_PORT, SourcePort);
            writer.PutBigEndianUInt16(NfConntrack.CTA_PROTO_DST_PORT, DestinationPort);
        }
    }

    internal static ConntrackTuple Read(AttributeReader reader)
    {
        IPAddress? source = null, destination = null;
        byte number = 0, icmpType = 0, icmpCode = 0;
        ushort from = 0, to = 0, icmpId = 0;
        while (reader.MoveNext())
        {
            AttributeReader inner = reader.Nested;
            if (reader.Type == NfConntrack.CTA_TUPLE_IP)
            {
                while (inner.MoveNext())
                {
                    if (inner.Type is NfConntrack.CTA_IP_V4_SRC or NfConntrack.CTA_IP_V6_SRC)
                        source = inner.IPAddress;
                    else if (inner.Type is NfConntrack.CTA_IP_V4_DST or NfConntrack.CTA_IP_V6_DST)
                        destination = inner.IPAddress;
                }
            }
            else if (reader.Type == NfConntrack.CTA_TUPLE_PROTO)
            {
                while (inner.MoveNext())
                {
                    switch (inner.Type)
                    {
                        case NfConntrack.CTA_PROTO_NUM:
                            number = inner.Byte;
                            break;
                        case NfConntrack.CTA_PROTO_SRC_PORT:
                            from = inner.BigEndianUInt16;
                            break;
                        case NfConntrack.CTA_PROTO_DST_PORT:
                            to = inner.BigEndianUInt16;
                            break;
                        case NfConntrack.CTA_PROTO_ICMP_ID or NfConntrack.CTA_PROTO_ICMPV6_ID:
                            icmpId = inner.BigEndianUInt16;
                            break;
                        case NfConntrack.CTA_PROTO_ICMP_TYPE or NfConntrack.CTA_PROTO_ICMPV6_TYPE:
                            icmpType = inner.Byte;
                            break;
                        case NfConntrack.CTA_PROTO_ICMP_CODE or NfConntrack.CTA_PROTO_ICMPV6_CODE:
                            icmpCode = inner.Byte;
                            break;
                    }
                }
            }
        }

        if (source is null || destination is null)
            throw NetlinkException.Malformed("A tracked connection has no addresses.");
        return new ConntrackTuple(source, destination, number)
        { SourcePort = from, DestinationPort = to, IcmpId = icmpId, IcmpType = icmpType, IcmpCode = icmpCode };
    }
}
