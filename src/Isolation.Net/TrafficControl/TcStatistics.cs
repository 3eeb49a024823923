using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>What went through a queueing discipline, a class or an action: <c>tc -s</c>.</summary>
public sealed record TcStatistics
{
    /// <summary>Bytes.</summary>
    public ulong Bytes { get; init; }

    /// <summary>Packets.</summary>
    public ulong Packets { get; init; }

    /// <summary>Packets dropped.</summary>
    public uint Drops { get; init; }

    /// <summary>How often the rate was exceeded.</summary>
    public uint Overlimits { get; init; }

    /// <summary>Packets put back.</summary>
    public uint Requeues { get; init; }

    /// <summary>Packets that wait.</summary>
    public uint QueueLength { get; init; }

    /// <summary>Bytes that wait.</summary>
    public uint BacklogBytes { get; init; }

    internal static TcStatistics Read(AttributeReader reader)
    {
        var statistics = new TcStatistics();
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktSched.TCA_STATS_BASIC:
                    ReadOnlySpan<byte> basic = reader.Struct(12);
                    statistics = statistics with
                    {
                        Bytes = BinaryPrimitives.ReadUInt64LittleEndian(basic),
                        Packets = Math.Max(statistics.Packets, BinaryPrimitives.ReadUInt32LittleEndian(basic[8..]))
                    };
                    break;
                case PktSched.TCA_STATS_PKT64:
                    statistics = statistics with { Packets = reader.UInt64 };
                    break;
                case PktSched.TCA_STATS_QUEUE:
                    ReadOnlySpan<byte> queue = reader.Struct(20);
                    statistics = statistics with
                    {
                        QueueLength = BinaryPrimitives.ReadUInt32LittleEndian(queue),
                        BacklogBytes = BinaryPrimitives.ReadUInt32LittleEndian(queue[4..]),
                        Drops = BinaryPrimitives.ReadUInt32LittleEndian(queue[8..]),
                        Requeues = BinaryPrimitives.ReadUInt32LittleEndian(queue[12..]),
                        Overlimits = BinaryPrimitives.ReadUInt32LittleEndian(queue[16..]),
                    };
                    break;
            }
        }

        return statistics;
    }
}
