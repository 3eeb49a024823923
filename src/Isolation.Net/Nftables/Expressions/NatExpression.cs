using Isolation.Linux.Abi;
using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>Puts other addresses and ports in the place of the packet's: <c>snat</c>, <c>dnat</c>.
/// The rest of its connection follows.</summary>
/// <param name="IsSource">Whether the source's.</param>
/// <param name="Family">The family of the address: <c>NFPROTO_IPV4</c> or <c>NFPROTO_IPV6</c>.</param>
/// <param name="Address">The register that holds the address; null to leave it.</param>
/// <param name="Port">The register that holds the port; null to leave it.</param>
public sealed record NatExpression(bool IsSource, NftFamily Family, NftRegister? Address, NftRegister? Port = null) : NftExpression
{
    /// <summary>The register that holds the last address of a range; null for a single one.</summary>
    public NftRegister? AddressEnd { get; init; }

    /// <summary>The register that holds the last port of a range; null for a single one.</summary>
    public NftRegister? PortEnd { get; init; }

    /// <summary>How they are chosen.</summary>
    public NftNatFlags Flags { get; init; }

    internal override string Name => "nat";

    internal override void Write(NetlinkWriter writer)
    {
        writer.PutBigEndianUInt32(NfTables.NFTA_NAT_TYPE, IsSource ? NfTables.NFT_NAT_SNAT : NfTables.NFT_NAT_DNAT);
        writer.PutBigEndianUInt32(NfTables.NFTA_NAT_FAMILY, (uint)Family);
        PutRegister(writer, NfTables.NFTA_NAT_REG_ADDR_MIN, Address);
        PutRegister(writer, NfTables.NFTA_NAT_REG_ADDR_MAX, AddressEnd);
        PutRegister(writer, NfTables.NFTA_NAT_REG_PROTO_MIN, Port);
        PutRegister(writer, NfTables.NFTA_NAT_REG_PROTO_MAX, PortEnd);
        if (Flags != NftNatFlags.None)
            writer.PutBigEndianUInt32(NfTables.NFTA_NAT_FLAGS, (uint)Flags);
    }

    internal static void PutRegister(NetlinkWriter writer, ushort type, NftRegister? register)
    {
        if (register is { } number)
            writer.PutBigEndianUInt32(type, number.Number);
    }

    internal static NatExpression Read(AttributeReader reader)
    {
        const NftNatFlags Known = NftNatFlags.Random | NftNatFlags.Persistent | NftNatFlags.FullyRandom | NftNatFlags.Prefix;
        var nat = new NatExpression(false, NftFamily.IPv4, null);
        while (reader.MoveNext())
        {
            uint value = reader.BigEndianUInt32;
            nat = reader.Type switch
            {
                NfTables.NFTA_NAT_TYPE => nat with { IsSource = value == NfTables.NFT_NAT_SNAT },
                NfTables.NFTA_NAT_FAMILY => nat with { Family = (NftFamily)value },
                NfTables.NFTA_NAT_REG_ADDR_MIN => nat with { Address = new NftRegister(value) },
                NfTables.NFTA_NAT_REG_ADDR_MAX => nat with { AddressEnd = new NftRegister(value) },
                NfTables.NFTA_NAT_REG_PROTO_MIN => nat with { Port = new NftRegister(value) },
                NfTables.NFTA_NAT_REG_PROTO_MAX => nat with { PortEnd = new NftRegister(value) },
                NfTables.NFTA_NAT_FLAGS => nat with { Flags = (NftNatFlags)value & Known },
                _ => nat,
            };
        }

        return nat with
        {
            AddressEnd = nat.AddressEnd == nat.Address ? null : nat.AddressEnd,
            PortEnd = nat.PortEnd == nat.Port ? null : nat.PortEnd,
        };
    }
}
