using System.Buffers.Binary;
using System.Collections.Immutable;
using System.Net;
using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.TrafficControl;

/// <summary>Matches packets by their bytes. <c>tc filter add ... u32 match ...</c>; see tc-u32(8).
/// Without a match it takes every packet.</summary>
public sealed record U32Filter : TcFilter
{
    private const int SelectorLength = 16, KeyLength = 16, IPv4SourceOffset = 12, IPv4DestinationOffset = 16, MaxMatches = 128;

    /// <summary>Initialises one.</summary>
    public U32Filter(int linkIndex, TcHandle parent) : base(linkIndex, parent, "u32")
    {
    }

    /// <summary>What must hold, all of it.</summary>
    public ImmutableArray<U32Match> Matches { get; init; } = [];

    /// <summary>What holds where an IPv4 packet comes from a network: <c>match ip src</c>.</summary>
    public static U32Match Source(IPNetwork network) => Of(network, IPv4SourceOffset);

    /// <summary>What holds where an IPv4 packet goes to a network: <c>match ip dst</c>.</summary>
    public static U32Match Destination(IPNetwork network) => Of(network, IPv4DestinationOffset);

    /// <summary>Compares by value, the matches included.</summary>
    public bool Equals(U32Filter? other) => base.Equals(other) && Matches.AsSpan().SequenceEqual(other.Matches.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(base.GetHashCode(), Matches.Length);

    // struct tc_u32_sel { u8 flags, offshift, nkeys; be16 offmask; u16 off; i16 offoff, hoff; be32 hmask;
    // tc_u32_key { be32 mask, val; int off, offmask; } keys[]; }
    private protected override void WriteOptions(NetlinkWriter writer)
    {
        ImmutableArray<U32Match> matches = Matches.IsEmpty ? [new U32Match(0, 0, 0)] : Matches;
        if (matches.Length > MaxMatches)
            throw new ArgumentException($"A u32 filter may have {MaxMatches} matches; this one has {matches.Length}.");
        Span<byte> selector = stackalloc byte[SelectorLength + (KeyLength * matches.Length)];
        selector.Clear();
        selector[0] = PktCls.TC_U32_TERMINAL;
        selector[2] = (byte)matches.Length;
        for (int i = 0; i < matches.Length; i++)
        {
            Span<byte> key = selector[(SelectorLength + (KeyLength * i))..];
            BinaryPrimitives.WriteUInt32BigEndian(key, matches[i].Mask);
            BinaryPrimitives.WriteUInt32BigEndian(key[4..], matches[i].Value & matches[i].Mask);
            BinaryPrimitives.WriteInt32LittleEndian(key[8..], matches[i].Offset);
        }

        using (writer.Nested(Rtnetlink.TCA_OPTIONS))
        {
            writer.Put(PktCls.TCA_U32_SEL, selector);
            WriteCommon(writer, PktCls.TCA_U32_CLASSID, PktCls.TCA_U32_ACT);
        }
    }

    internal static U32Filter? ReadOptions(AttributeReader reader)
    {
        var filter = new U32Filter(0, default);
        bool selects = false;
        while (reader.MoveNext())
        {
            switch (reader.Type)
            {
                case PktCls.TCA_U32_SEL:
                    filter = filter with { Matches = ReadKeys(reader.Value) };
                    selects = true;
                    break;
                case PktCls.TCA_U32_CLASSID:
                    filter = filter with { ClassId = new TcHandle(reader.UInt32) };
                    break;
                case PktCls.TCA_U32_ACT:
                    filter = filter with { Actions = TcAction.ReadAll(reader.Nested) };
                    break;
            }
        }

        return selects ? filter : null; // else a hash table
    }

    private static ImmutableArray<U32Match> ReadKeys(ReadOnlySpan<byte> selector)
    {
        if (selector.Length < SelectorLength || selector.Length < SelectorLength + (selector[2] * KeyLength))
            throw NetlinkException.Malformed($"The selector of a u32 filter has {selector.Length} bytes.");
        var keys = ImmutableArray.CreateBuilder<U32Match>();
        for (int i = 0; i < selector[2]; i++)
        {
            ReadOnlySpan<byte> key = selector[(SelectorLength + (i * KeyLength))..];
            keys.Add(new U32Match(BinaryPrimitives.ReadUInt32BigEndian(key[4..]), BinaryPrimitives.ReadUInt32BigEndian(key),
                BinaryPrimitives.ReadInt32LittleEndian(key[8..])));
        }

        return keys is [{ Mask: 0, Offset: 0 }] ? [] : keys.ToImmutable();
    }

    private static U32Match Of(IPNetwork network, int offset)
    {
        if (AddressText.Family(network) != 2)
            throw new ArgumentException($"{network} is not a network of IPv4.", nameof(network));
        uint mask = network.PrefixLength == 0 ? 0 : uint.MaxValue << (32 - network.PrefixLength);
        return new U32Match(BinaryPrimitives.ReadUInt32BigEndian(network.BaseAddress.GetAddressBytes()), mask, offset);
    }
}
