using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>What the host knows of the way: <c>RTA_METRICS</c>. Null leaves a value to the kernel.</summary>
public sealed record RouteMetrics
{
    /// <summary>The longest packet, in bytes: <c>RTAX_MTU</c>.</summary>
    public uint? Mtu { get; init; }

    /// <summary>The largest segment that is offered to the other end, in bytes: <c>RTAX_ADVMSS</c>.</summary>
    public uint? AdvertisedMss { get; init; }

    /// <summary>The largest window that is offered, in bytes: <c>RTAX_WINDOW</c>.</summary>
    public uint? Window { get; init; }

    /// <summary>The hop limit of packets: <c>RTAX_HOPLIMIT</c>.</summary>
    public uint? HopLimit { get; init; }

    /// <summary>The congestion window at the start, in segments: <c>RTAX_INITCWND</c>.</summary>
    public uint? InitialCongestionWindow { get; init; }

    /// <summary>The receive window at the start, in segments: <c>RTAX_INITRWND</c>.</summary>
    public uint? InitialReceiveWindow { get; init; }

    /// <summary>What was read and has no property: locks, a congestion control, features, times.</summary>
    internal KeptAttributes Kept { get; init; }

    private IEnumerable<(ushort Type, uint? Value)> Values =>
    [
        (Rtnetlink.RTAX_MTU, Mtu), (Rtnetlink.RTAX_ADVMSS, AdvertisedMss), (Rtnetlink.RTAX_WINDOW, Window),
        (Rtnetlink.RTAX_HOPLIMIT, HopLimit),
        (Rtnetlink.RTAX_INITCWND, InitialCongestionWindow), (Rtnetlink.RTAX_INITRWND, InitialReceiveWindow),
    ];

    internal void Write(NetlinkWriter writer)
    {
        using (writer.Nested(Rtnetlink.RTA_METRICS))
        {
            foreach ((ushort type, uint? value) in Values)
            {
                if (value is { } number)
                    writer.PutUInt32(type, number);
            }

            writer.Put(Kept);
        }
    }

    internal static RouteMetrics? Read(AttributeReader reader)
    {
        var metrics = new RouteMetrics();
        while (reader.MoveNext())
        {
            metrics = reader.Type switch
            {
                Rtnetlink.RTAX_MTU => metrics with { Mtu = reader.UInt32 },
                Rtnetlink.RTAX_ADVMSS => metrics with { AdvertisedMss = reader.UInt32 },
                Rtnetlink.RTAX_WINDOW => metrics with { Window = reader.UInt32 },
                Rtnetlink.RTAX_HOPLIMIT => metrics with { HopLimit = reader.UInt32 },
                Rtnetlink.RTAX_INITCWND => metrics with { InitialCongestionWindow = reader.UInt32 },
                Rtnetlink.RTAX_INITRWND => metrics with { InitialReceiveWindow = reader.UInt32 },
                _ => metrics with { Kept = metrics.Kept.With(reader) },
            };
        }

        return metrics == new RouteMetrics() ? null : metrics;
    }
}
