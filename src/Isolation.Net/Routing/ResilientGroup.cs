using System.Buffers.Binary;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>How a group of nexthops keeps its flows where they are when the group changes: a table of buckets, each of which belongs to one
/// nexthop. <c>ip nexthop add ... type resilient</c>; see the kernel's guide "Resilient Next-hop Groups". Since Linux 5.13.</summary>
/// <param name="Buckets">How many buckets, a power of 2 at best; more than the weights together. It cannot be changed later.</param>
public sealed record ResilientGroup(ushort Buckets)
{
    // clock_t, which is the same everywhere: USER_HZ.
    private const long Tick = TimeSpan.TicksPerSecond / 100;

    /// <summary>How long a bucket must be without packets before it may go to another nexthop, in hundredths of a second; null for the
    /// kernel's 120 s.</summary>
    public TimeSpan? IdleTimer { get; init; }

    /// <summary>After how long an uneven group moves buckets that are in use, in hundredths of a second; zero for never, null for the
    /// kernel's default, which is never.</summary>
    public TimeSpan? UnbalancedTimer { get; init; }

    /// <summary>How long the group has been uneven, as read.</summary>
    public TimeSpan? UnbalancedTime { get; init; }

    internal void Write(NetlinkWriter writer)
    {
        using (writer.Nested(NexthopAbi.NHA_RES_GROUP))
        {
            writer.PutUInt16(NexthopAbi.NHA_RES_GROUP_BUCKETS, Buckets);
            if (IdleTimer is { } idle)
                writer.PutUInt32(NexthopAbi.NHA_RES_GROUP_IDLE_TIMER, Ticks(idle));
            if (UnbalancedTimer is { } unbalanced)
                writer.PutUInt32(NexthopAbi.NHA_RES_GROUP_UNBALANCED_TIMER, Ticks(unbalanced));
        }
    }

    internal static ResilientGroup Read(AttributeReader reader)
    {
        var group = new ResilientGroup(0);
        while (reader.MoveNext())
        {
            group = reader.Type switch
            {
                NexthopAbi.NHA_RES_GROUP_BUCKETS => group with { Buckets = BinaryPrimitives.ReadUInt16LittleEndian(reader.Value) },
                NexthopAbi.NHA_RES_GROUP_IDLE_TIMER => group with { IdleTimer = Time(reader.UInt32) },
                NexthopAbi.NHA_RES_GROUP_UNBALANCED_TIMER => group with { UnbalancedTimer = Time(reader.UInt32) },
                NexthopAbi.NHA_RES_GROUP_UNBALANCED_TIME => group with { UnbalancedTime = Time(reader.UInt64) },
                _ => group,
            };
        }

        return group;
    }

    internal static TimeSpan Time(ulong ticks) => new((long)Math.Min(ticks, (ulong)(long.MaxValue / Tick)) * Tick);

    private static uint Ticks(TimeSpan time) => checked((uint)(time.Ticks / Tick));
}
