using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;

namespace Isolation.Net;

/// <summary>One of a group of nexthops.</summary>
/// <param name="Id">The nexthop's number.</param>
/// <param name="Weight">Its share, 1 to 256.</param>
public readonly record struct NexthopMember(uint Id, int Weight = 1);

/// <summary>A way that routes share, so that it can be changed for all at once: what <c>ip nexthop</c> shows. Since Linux 5.3.</summary>
/// <param name="Id">Its number; 0 lets the kernel choose.</param>
public sealed record Nexthop(uint Id) : RouteObject
{
    /// <summary>The router; null for the link itself.</summary>
    public IPAddress? Gateway { get; init; }

    /// <summary>The link.</summary>
    public int? LinkIndex { get; init; }

    /// <summary>Whether packets are dropped.</summary>
    public bool Blackhole { get; init; }

    /// <summary>Whether it is of IPv6, where there is no gateway to say so.</summary>
    public bool IPv6 { get; init; }

    /// <summary>The nexthops that it is a group of; empty for a single one.</summary>
    public ImmutableArray<NexthopMember> Group { get; init; } = [];

    internal override ushort NewType => Rtnetlink.RTM_NEWNEXTHOP;

    internal override string Noun => "nexthop";

    internal override string Subject => Id.ToString(CultureInfo.InvariantCulture);

    /// <summary>Compares by value, the group included.</summary>
    public bool Equals(Nexthop? other) => other is not null && Id == other.Id && Equals(Gateway, other.Gateway) && LinkIndex == other.LinkIndex
        && Blackhole == other.Blackhole && IPv6 == other.IPv6 && Group.AsSpan().SequenceEqual(other.Group.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Gateway, LinkIndex, Blackhole, IPv6, Group.Length);

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, Rtnetlink.RTM_NEWNEXTHOP, flags);
        if (!Group.IsEmpty)
        {
            // struct nexthop_grp { u32 id; u8 weight; u8 high; u16 pad; }
            Span<byte> members = stackalloc byte[8 * Math.Min(Group.Length, 512)];
            members.Clear();
            for (int i = 0; i < members.Length / 8; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(members[(i * 8)..], Group[i].Id);
                members[(i * 8) + 4] = checked((byte)(Group[i].Weight - 1));
            }

            writer.Put(NexthopAbi.NHA_GROUP, members);
        }

        if (Gateway is not null)
            writer.PutAddress(NexthopAbi.NHA_GATEWAY, Gateway);
        if (LinkIndex is { } link)
            writer.PutInt32(NexthopAbi.NHA_OIF, link);
        if (Blackhole)
            writer.PutFlag(NexthopAbi.NHA_BLACKHOLE);
        writer.End();
    }

    internal override void WriteDelete(NetlinkWriter writer)
    {
        Span<byte> header = stackalloc byte[8];
        header.Clear();
        writer.Begin(Rtnetlink.RTM_DELNEXTHOP, 0, header);
        writer.PutUInt32(NexthopAbi.NHA_ID, Id);
        writer.End();
    }

    internal static Nexthop Read(ReadOnlySpan<byte> payload)
    {
        if (payload.Length < 8)
            throw NetlinkException.Malformed($"A nexthop has {payload.Length} bytes.");
        var nexthop = new Nexthop(0) { IPv6 = payload[0] == 10 };
        var reader = new AttributeReader(payload[8..]);
        while (reader.MoveNext())
        {
            nexthop = reader.Type switch
            {
                NexthopAbi.NHA_ID => nexthop with { Id = reader.UInt32 },
                NexthopAbi.NHA_GATEWAY => nexthop with { Gateway = reader.IPAddress },
                NexthopAbi.NHA_OIF => nexthop with { LinkIndex = reader.Int32 },
                NexthopAbi.NHA_BLACKHOLE => nexthop with { Blackhole = true },
                NexthopAbi.NHA_GROUP => nexthop with { Group = ReadGroup(reader.Value) },
                _ => nexthop,
            };
        }

        return nexthop;
    }

    private void Begin(NetlinkWriter writer, ushort type, ushort flags)
    {
        // struct nhmsg { u8 family, scope, protocol, resvd; u32 flags; }
        Span<byte> header = stackalloc byte[8];
        header.Clear();
        header[0] = !Group.IsEmpty ? (byte)0 : Gateway is not null ? AddressText.Family(Gateway) : IPv6 ? (byte)10 : (byte)2;
        writer.Begin(type, flags, header);
        if (Id != 0)
            writer.PutUInt32(NexthopAbi.NHA_ID, Id);
    }

    private static ImmutableArray<NexthopMember> ReadGroup(ReadOnlySpan<byte> list)
    {
        if (list.Length % 8 != 0)
            throw NetlinkException.Malformed($"A group of nexthops has {list.Length} bytes.");
        var members = ImmutableArray.CreateBuilder<NexthopMember>();
        for (; !list.IsEmpty; list = list[8..])
            members.Add(new NexthopMember(BinaryPrimitives.ReadUInt32LittleEndian(list), list[4] + 1));
        return members.ToImmutable();
    }
}
