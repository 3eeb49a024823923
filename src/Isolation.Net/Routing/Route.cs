using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A route: what <c>ip route</c> shows.</summary>
/// <example><code>
/// route.Add(new Route(IPNetwork.Parse("0.0.0.0/0")) { Gateway = IPAddress.Parse("10.0.0.1") });
/// </code></example>
public sealed partial record Route : RouteObject
{
    /// <summary>In place of a table's number, where routes are read: those of every table. <c>RT_TABLE_UNSPEC</c>.</summary>
    public const uint AllTables = 0;

    /// <summary>The main table: <c>RT_TABLE_MAIN</c>.</summary>
    public const uint MainTable = 254;

    /// <summary>The table of this host's own addresses: <c>RT_TABLE_LOCAL</c>.</summary>
    public const uint LocalTable = 255;

    /// <summary>Initialises a route.</summary>
    /// <param name="destination">Where it leads; <c>0.0.0.0/0</c> and <c>::/0</c> are the default routes.</param>
    public Route(IPNetwork destination) => Destination = destination;

    /// <summary>The default route of IPv4.</summary>
    public static IPNetwork DefaultIPv4 { get; } = new(IPAddress.Any, 0);

    /// <summary>The default route of IPv6.</summary>
    public static IPNetwork DefaultIPv6 { get; } = new(IPAddress.IPv6Any, 0);

    /// <summary>Where it leads.</summary>
    public IPNetwork Destination { get; init; }

    /// <summary>The router; null where the destination is on the link, or there are several ways.</summary>
    public IPAddress? Gateway { get; init; }

    /// <summary>The link; null leaves it to the gateway.</summary>
    public int? LinkIndex { get; init; }

    /// <summary>Several ways, among which packets are shared out.</summary>
    public ImmutableArray<RouteHop> Multipath { get; init; } = [];

    /// <summary>The nexthop object that it uses: see <see cref="Nexthop"/>. Since Linux 5.3.</summary>
    public uint? NexthopId { get; init; }

    /// <summary>The address that packets are sent from where the program does not say.</summary>
    public IPAddress? PreferredSource { get; init; }

    /// <summary>Among routes to the same destination the lowest wins: <c>RTA_PRIORITY</c>;
    /// null leaves it to the kernel: 0, for IPv6 1024.</summary>
    public uint? Metric { get; init; }

    /// <summary>The table: null for the main one.</summary>
    public uint? Table { get; init; }

    /// <summary>What it does with a packet.</summary>
    public RouteType Type { get; init; } = RouteType.Unicast;

    /// <summary>Who made it.</summary>
    public RouteProtocol Protocol { get; init; } = RouteProtocol.Boot;

    /// <summary>How far it reaches; null chooses as ip(8) does.</summary>
    public RouteScope? Scope { get; init; }

    /// <summary>Whether the gateway is taken to be on the link even where no network of it has it: <c>onlink</c>.</summary>
    public bool OnLink { get; init; }

    /// <summary>What is known of the way.</summary>
    public RouteMetrics? Metrics { get; init; }

    /// <summary>The type of service of packets that it is for, <c>tos</c>; 0 for any. IPv4 only.</summary>
    public byte Tos { get; init; }

    /// <summary>Where packets come from that it is for, <c>from</c>; null for anywhere. IPv6 only.</summary>
    public IPNetwork? Source { get; init; }

    /// <summary>After what time the kernel removes it, in whole seconds; null for never. IPv6 only.</summary>
    public TimeSpan? Expires { get; init; }

    /// <summary>What was read of it and has no property, such as an encapsulation.</summary>
    internal KeptAttributes Kept { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWROUTE;

    internal override string Noun => "route";

    internal override string Subject => ToString();

    /// <summary>The route as <c>ip route</c> prints it, with link numbers in the place of names.</summary>
    public override string ToString()
    {
        string type = Type == RouteType.Unicast ? "" : Type.ToString().ToLowerInvariant() + " ";
        string via = Gateway is null ? "" : $" via {Gateway}";
        string hops = string.Concat(Multipath.Select(h => h.ToText()));
        string rest = string.Create(CultureInfo.InvariantCulture,
            $"{(LinkIndex is { } link ? $" dev {link}" : "")}{(NexthopId is { } id ? $" nhid {id}" : "")}"
                + $"{(Table is { } t && t != MainTable ? $" table {t}" : "")}{(Metric is { } metric ? $" metric {metric}" : "")}");
        string from = Source is { } source ? $" from {source}" : "";
        string tos = Tos == 0 ? "" : string.Create(CultureInfo.InvariantCulture, $" tos 0x{Tos:x2}");
        return $"{type}{(Destination.PrefixLength == 0 ? "default" : Destination.ToString())}{from}{tos}{via}{hops}{rest}";
    }

    /// <summary>Compares by value, the ways included.</summary>
    public bool Equals(Route? other) => other is not null && Destination.Equals(other.Destination) && Equals(Gateway, other.Gateway)
        && LinkIndex == other.LinkIndex
        && Multipath.AsSpan().SequenceEqual(other.Multipath.AsSpan()) && NexthopId == other.NexthopId
        && Equals(PreferredSource, other.PreferredSource) && Metric == other.Metric
        && Table == other.Table && Type == other.Type && Protocol == other.Protocol && Scope == other.Scope && OnLink == other.OnLink
            && Metrics == other.Metrics
        && Tos == other.Tos && Nullable.Equals(Source, other.Source) && Expires == other.Expires && Kept.Equals(other.Kept);

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Destination, Gateway, LinkIndex, NexthopId, Metric, Table, Type);

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, Rtnetlink.RTM_NEWROUTE, flags, Type, Protocol, Scope ?? DefaultScope);
        WriteWay(writer);
        if (PreferredSource is not null)
            writer.PutAddress(Rtnetlink.RTA_PREFSRC, PreferredSource);
        Metrics?.Write(writer);
        if (Expires is { } expires && AddressText.Family(Destination) == 10)
            writer.PutUInt32(Rtnetlink.RTA_EXPIRES, (uint)Math.Clamp(Math.Ceiling(expires.TotalSeconds), 1, uint.MaxValue - 1));
        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        // What is not said matches any: ip(8) leaves type and scope open too.
        Begin(writer, Rtnetlink.RTM_DELROUTE, 0, Type == RouteType.Unicast ? 0 : Type, 0, RouteScope.Nowhere);
        WriteWay(writer);
        writer.End();
    }

    private RouteScope DefaultScope => AddressText.Family(Destination) == 10 ? RouteScope.Universe
        : Type is RouteType.Local ? RouteScope.Host
        : Type is RouteType.Broadcast or RouteType.Multicast or RouteType.Anycast ? RouteScope.Link
        : Type == RouteType.Unicast && Gateway is null && Multipath.IsEmpty && NexthopId is null ? RouteScope.Link : RouteScope.Universe;

    private void Begin(NetlinkWriter writer, ushort message, ushort flags, RouteType type, RouteProtocol protocol, RouteScope scope)
    {
        // struct rtmsg { u8 family, dst_len, src_len, tos, table, protocol, scope, type; u32 flags; }
        Span<byte> header = stackalloc byte[12];
        header.Clear();
        uint table = Table ?? MainTable;
        header[0] = AddressText.Family(Destination);
        header[1] = (byte)Destination.PrefixLength;
        header[2] = (byte)(Source?.PrefixLength ?? 0);
        header[3] = Tos;
        header[4] = table <= byte.MaxValue ? (byte)table : Rtnetlink.RT_TABLE_COMPAT;
        header[5] = (byte)protocol;
        header[6] = (byte)scope;
        header[7] = (byte)type;
        if (OnLink)
            BinaryPrimitives.WriteUInt32LittleEndian(header[8..], Rtnetlink.RTNH_F_ONLINK);
        writer.Begin(message, flags, header);
        if (Destination.PrefixLength > 0)
            writer.PutAddress(Rtnetlink.RTA_DST, Destination.BaseAddress);
        if (Source is { PrefixLength: > 0 } source)
            writer.PutAddress(Rtnetlink.RTA_SRC, source.BaseAddress);
        if (table > byte.MaxValue)
            writer.PutUInt32(Rtnetlink.RTA_TABLE, table);
        if (Metric is { } metric)
            writer.PutUInt32(Rtnetlink.RTA_PRIORITY, metric);
    }

    private void WriteWay(NetlinkWriter writer)
    {
        if (NexthopId is { } id)
        {
            // What is read of such a route tells the nexthop's own way too, which the kernel refuses beside its number.
            writer.PutUInt32(Rtnetlink.RTA_NH_ID, id);
            return;
        }

        writer.Put(Kept);
        if (Gateway is not null)
            PutGateway(writer, Gateway);
        if (LinkIndex is { } link)
            writer.PutInt32(Rtnetlink.RTA_OIF, link);
        if (Multipath.IsEmpty)
            return;
        Span<byte> header = stackalloc byte[8];
        using (writer.Nested(Rtnetlink.RTA_MULTIPATH))
        {
            foreach (RouteHop hop in Multipath)
            {
                // struct rtnexthop { u16 len; u8 flags, hops; i32 ifindex; }
                ArgumentOutOfRangeException.ThrowIfLessThan(hop.Weight, 1);
                ArgumentOutOfRangeException.ThrowIfGreaterThan(hop.Weight, 256);
                header.Clear();
                header[2] = (byte)(hop.OnLink ? Rtnetlink.RTNH_F_ONLINK : 0);
                header[3] = (byte)(hop.Weight - 1);
                BinaryPrimitives.WriteInt32LittleEndian(header[4..], hop.LinkIndex ?? 0);
                int start = writer.Mark(header);
                if (hop.Gateway is not null)
                    PutGateway(writer, hop.Gateway);
                writer.Put(hop.Kept);
                writer.EndMark(start);
            }
        }
    }

    private void PutGateway(NetlinkWriter writer, IPAddress gateway)
    {
        byte family = AddressText.Family(gateway);
        if (family == AddressText.Family(Destination))
        {
            writer.PutAddress(Rtnetlink.RTA_GATEWAY, gateway);
            return;
        }

        // IPv4 by way of an IPv6 router: struct rtvia { u16 family; u8 addr[]; }
        Span<byte> via = stackalloc byte[18];
        BinaryPrimitives.WriteUInt16LittleEndian(via, family);
        gateway.TryWriteBytes(via[2..], out int length);
        writer.Put(Rtnetlink.RTA_VIA, via[..(2 + length)]);
    }
}
