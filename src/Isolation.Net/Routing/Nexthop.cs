using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Globalization;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Routing;

/// <summary>A way that routes share, so that it can be changed for all at once: what <c>ip nexthop</c> shows. Since Linux 5.3.</summary>
/// <example><code>route.Add(new Nexthop(7) { Gateway = IPAddress.Parse("10.0.0.254"), LinkIndex = link.Index });</code></example>
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

    /// <summary>Who made it.</summary>
    public RouteProtocol Protocol { get; init; }

    /// <summary>Whether the gateway is taken to be on the link even where no network of it has it: <c>onlink</c>.</summary>
    public bool OnLink { get; init; }

    /// <summary>What was read of it and has no property, such as an encapsulation.</summary>
    internal KeptAttributes Kept { get; init; }

    /// <summary>The nexthops that it is a group of; empty for a single one.</summary>
    public ImmutableArray<NexthopMember> Group { get; init; } = [];

    /// <summary>How the group keeps its flows when it changes; null for a group that spreads them anew.</summary>
    public ResilientGroup? Resilient { get; init; }

    internal override ushort NewType => Rtnetlink.RTM_NEWNEXTHOP;

    internal override string Noun => "nexthop";

    internal override string Subject => Id.ToString(CultureInfo.InvariantCulture);

    /// <summary>Compares by value, the group included.</summary>
    public bool Equals(Nexthop? other) => other is not null && Id == other.Id && Equals(Gateway, other.Gateway)
        && LinkIndex == other.LinkIndex
        && Blackhole == other.Blackhole && IPv6 == other.IPv6 && Protocol == other.Protocol && OnLink == other.OnLink
            && Kept.Equals(other.Kept) && Resilient == other.Resilient && Group.AsSpan().SequenceEqual(other.Group.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Id, Gateway, LinkIndex, Blackhole, IPv6, Group.Length);

    internal override void WriteNew(NetlinkWriter writer, ushort flags)
    {
        Begin(writer, Rtnetlink.RTM_NEWNEXTHOP, flags);
        if (!Group.IsEmpty)
        {
            // struct nexthop_grp { u32 id; u8 weight; u8 weight_high; u16 pad; }, the share less 1
            var members = new byte[8 * Group.Length];
            for (int i = 0; i < Group.Length; i++)
            {
                BinaryPrimitives.WriteUInt32LittleEndian(members.AsSpan(i * 8), Group[i].Id);
                BinaryPrimitives.WriteUInt16LittleEndian(members.AsSpan((i * 8) + 4), checked((ushort)(Group[i].Weight - 1)));
            }

            writer.Put(NexthopAbi.NHA_GROUP, members);
            if (Resilient is not null)
            {
                writer.PutUInt16(NexthopAbi.NHA_GROUP_TYPE, NexthopAbi.NEXTHOP_GRP_TYPE_RES);
                Resilient.Write(writer);
            }
        }

        if (Gateway is not null)
            writer.PutAddress(NexthopAbi.NHA_GATEWAY, Gateway);
        if (LinkIndex is { } link)
            writer.PutInt32(NexthopAbi.NHA_OIF, link);
        if (Blackhole)
            writer.PutFlag(NexthopAbi.NHA_BLACKHOLE);
        writer.Put(Kept);
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
        var nexthop = new Nexthop(0)
        {
            IPv6 = payload[0] == 10,
            Protocol = (RouteProtocol)payload[2],
            OnLink = (BinaryPrimitives.ReadUInt32LittleEndian(payload[4..]) & Rtnetlink.RTNH_F_ONLINK) != 0,
        };
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
                NexthopAbi.NHA_RES_GROUP => nexthop with { Resilient = ResilientGroup.Read(reader.Nested) },
                NexthopAbi.NHA_GROUP_TYPE when reader.UInt16 is NexthopAbi.NEXTHOP_GRP_TYPE_MPATH or NexthopAbi.NEXTHOP_GRP_TYPE_RES =>
                    nexthop,
                NexthopAbi.NHA_GROUP_TYPE or NexthopAbi.NHA_ENCAP_TYPE or NexthopAbi.NHA_ENCAP or NexthopAbi.NHA_FDB =>
                    nexthop with { Kept = nexthop.Kept.With(reader) },
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
        header[2] = (byte)Protocol;
        if (OnLink)
            BinaryPrimitives.WriteUInt32LittleEndian(header[4..], Rtnetlink.RTNH_F_ONLINK);
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
            members.Add(new NexthopMember(BinaryPrimitives.ReadUInt32LittleEndian(list),
                BinaryPrimitives.ReadUInt16LittleEndian(list[4..]) + 1));
        return members.ToImmutable();
    }
}
