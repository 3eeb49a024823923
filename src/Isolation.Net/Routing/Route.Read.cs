using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

public sealed partial record Route
{
    /// <summary>Reads the payload of <c>RTM_NEWROUTE</c>.</summary>
    internal static Route Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 12)
            throw NetlinkException.Malformed($"A route has {payload.Length} bytes.");
        bool v6 = payload[0] == 10;
        IPAddress destination = v6 ? IPAddress.IPv6Any : IPAddress.Any;
        IPAddress? gateway = null, source = null;
        int? link = null;
        uint? metric = null, nexthop = null;
        uint table = payload[4];
        RouteMetrics? metrics = null;
        ImmutableArray<RouteHop> hops = [];
        bool onLink = (BinaryPrimitives.ReadUInt32LittleEndian(payload[8..]) & Rtnetlink.RTNH_F_ONLINK) != 0;
        IPNetwork? from = null;
        TimeSpan? expires = null;
        KeptAttributes kept = default;
        var reader = new AttributeReader(payload[12..]);
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case Rtnetlink.RTA_DST:
                    destination = reader.IPAddress;
                    break;
                case Rtnetlink.RTA_SRC:
                    from = Network(reader.IPAddress, payload[2]);
                    break;
                case Rtnetlink.RTA_CACHEINFO:
                    expires = ExpiresOf(reader);
                    break;
                case Rtnetlink.RTA_GATEWAY:
                    gateway = reader.IPAddress;
                    break;
                case Rtnetlink.RTA_VIA:
                    gateway = Via(reader);
                    break;
                case Rtnetlink.RTA_OIF:
                    link = reader.Int32;
                    break;
                case Rtnetlink.RTA_PREFSRC:
                    source = reader.IPAddress;
                    break;
                case Rtnetlink.RTA_PRIORITY:
                    metric = reader.UInt32;
                    break;
                case Rtnetlink.RTA_TABLE:
                    table = reader.UInt32;
                    break;
                case Rtnetlink.RTA_NH_ID:
                    nexthop = reader.UInt32;
                    break;
                case Rtnetlink.RTA_METRICS:
                    metrics = RouteMetrics.Read(reader.Nested);
                    break;
                case Rtnetlink.RTA_MULTIPATH:
                    hops = ReadHops(reader.Value);
                    break;
                // What only answers have: of the packet that was asked for, or counted.
                case Rtnetlink.RTA_IIF or Rtnetlink.RTA_MARK or Rtnetlink.RTA_MFC_STATS or Rtnetlink.RTA_EXPIRES or Rtnetlink.RTA_PAD
                    or Rtnetlink.RTA_UID or Rtnetlink.RTA_IP_PROTO or Rtnetlink.RTA_SPORT or Rtnetlink.RTA_DPORT:
                    break;
                default:
                    kept = kept.With(reader);
                    break;
            }
        }

        return new Route(Network(destination, payload[1]))
        {
            Gateway = gateway,
            LinkIndex = link,
            Multipath = hops,
            NexthopId = nexthop,
            PreferredSource = source,
            Metric = metric,
            Table = table,
            Protocol = (RouteProtocol)payload[5],
            Scope = (RouteScope)payload[6],
            Type = (RouteType)payload[7],
            OnLink = onLink,
            Metrics = metrics,
            Tos = v6 ? (byte)0 : payload[3],
            Source = from,
            Expires = expires,
            Kept = kept,
        };
    }

    internal static IPNetwork Network(IPAddress address, int prefix)
    {
        byte[] bytes = address.GetAddressBytes();
        if (prefix > bytes.Length * 8)
            throw NetlinkException.Malformed($"A network has a prefix of {prefix} bits.");
        for (int bit = prefix; bit < bytes.Length * 8; bit++)
            bytes[bit / 8] &= (byte)~(0x80 >> (bit % 8));
        return new IPNetwork(new IPAddress(bytes), prefix);
    }

    /// <summary>The time that is left, of <c>struct rta_cacheinfo</c>: in hundredths of a second, USER_HZ. Where it has none, 0.</summary>
    private static TimeSpan? ExpiresOf(AttributeReader reader) =>
        BinaryPrimitives.ReadInt32LittleEndian(reader.Struct(12)[8..]) is > 0 and int left ? TimeSpan.FromMilliseconds(left * 10L) : null;

    private static IPAddress Via(AttributeReader reader)
    {
        ReadOnlySpan<byte> value = reader.Value;
        return value.Length is 6 or 18
            ? new IPAddress(value[2..])
            : throw NetlinkException.Malformed($"A gateway of another family has {value.Length} bytes.");
    }

    private static ImmutableArray<RouteHop> ReadHops(ReadOnlySpan<byte> list)
    {
        var hops = ImmutableArray.CreateBuilder<RouteHop>();
        while (!list.IsEmpty)
        {
            int length = list.Length < 8 ? 0 : BinaryPrimitives.ReadUInt16LittleEndian(list);
            if (length < 8 || length > list.Length)
                throw NetlinkException.Malformed($"One way of a route says that it has {length} bytes, of {list.Length}.");
            IPAddress? gateway = null;
            KeptAttributes kept = default;
            var reader = new AttributeReader(list[8..length]);
            while (reader.MoveNext())
            {
                if (reader.Type is Rtnetlink.RTA_GATEWAY)
                    gateway = reader.IPAddress;
                else if (reader.Type is Rtnetlink.RTA_VIA)
                    gateway = Via(reader);
                else
                    kept = kept.With(reader);
            }

            hops.Add(new RouteHop(gateway, BinaryPrimitives.ReadInt32LittleEndian(list[4..]), list[3] + 1)
            {
                OnLink = (list[2] & Rtnetlink.RTNH_F_ONLINK) != 0,
                Kept = kept,
            });
            list = list[Math.Min(NetlinkWriter.Align(length), list.Length)..];
        }

        return hops.ToImmutable();
    }
}
