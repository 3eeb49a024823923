using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>What went over a link since it was made: <c>struct rtnl_link_stats64</c>.</summary>
public sealed record LinkStatistics
{
    /// <summary>Packets received.</summary>
    public ulong ReceivedPackets { get; init; }

    /// <summary>Packets sent.</summary>
    public ulong SentPackets { get; init; }

    /// <summary>Bytes received.</summary>
    public ulong ReceivedBytes { get; init; }

    /// <summary>Bytes sent.</summary>
    public ulong SentBytes { get; init; }

    /// <summary>Packets received with errors.</summary>
    public ulong ReceiveErrors { get; init; }

    /// <summary>Packets that could not be sent.</summary>
    public ulong SendErrors { get; init; }

    /// <summary>Packets received and dropped because a buffer was full.</summary>
    public ulong ReceiveDropped { get; init; }

    /// <summary>Packets dropped on the way out.</summary>
    public ulong SendDropped { get; init; }

    /// <summary>Multicast packets received.</summary>
    public ulong Multicast { get; init; }

    internal static LinkStatistics Read(AttributeReader attribute)
    {
        ReadOnlySpan<byte> words = attribute.Struct(72);
        static ulong Word(ReadOnlySpan<byte> words, int index) =>
            System.Buffers.Binary.BinaryPrimitives.ReadUInt64LittleEndian(words[(index * 8)..]);
        return new LinkStatistics
        {
            ReceivedPackets = Word(words, 0),
            SentPackets = Word(words, 1),
            ReceivedBytes = Word(words, 2),
            SentBytes = Word(words, 3),
            ReceiveErrors = Word(words, 4),
            SendErrors = Word(words, 5),
            ReceiveDropped = Word(words, 6),
            SendDropped = Word(words, 7),
            Multicast = Word(words, 8),
        };
    }
}
