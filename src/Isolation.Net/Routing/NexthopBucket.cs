using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A bucket of a resilient group of nexthops: what <c>ip nexthop bucket</c> shows. Since Linux 5.13.</summary>
/// <param name="GroupId">The group.</param>
/// <param name="Index">Its number in the group.</param>
/// <param name="NexthopId">The nexthop that it belongs to.</param>
/// <param name="Idle">How long no packet has come to it.</param>
public sealed record NexthopBucket(uint GroupId, int Index, uint NexthopId, TimeSpan Idle)
{
    internal static NexthopBucket Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 8)
            throw NetlinkException.Malformed($"A bucket of nexthops has {payload.Length} bytes.");
        var bucket = new NexthopBucket(0, 0, 0, TimeSpan.Zero);
        var reader = new AttributeReader(payload[8..]);
        while (reader.MoveNext())
        {
            bucket = reader.Type switch
            {
                NexthopAbi.NHA_ID => bucket with { GroupId = reader.UInt32 },
                NexthopAbi.NHA_RES_BUCKET => bucket.With(reader.Nested),
                _ => bucket,
            };
        }

        return bucket;
    }

    private NexthopBucket With(AttributeReader reader)
    {
        NexthopBucket bucket = this;
        while (reader.MoveNext())
        {
            bucket = reader.Type switch
            {
                NexthopAbi.NHA_RES_BUCKET_INDEX => bucket with { Index = reader.UInt16 },
                NexthopAbi.NHA_RES_BUCKET_NH_ID => bucket with { NexthopId = reader.UInt32 },
                NexthopAbi.NHA_RES_BUCKET_IDLE_TIME => bucket with { Idle = ResilientGroup.Time(reader.UInt64) },
                _ => bucket,
            };
        }

        return bucket;
    }
}
