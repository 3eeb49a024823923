using Isolation.Net.Netlink;

namespace Isolation.Net.Nftables;

/// <summary>What becomes of a packet, with the chain that is asked where one is.</summary>
/// <param name="Kind">What.</param>
/// <param name="Chain">The chain, of a jump or goto.</param>
public sealed record NftVerdict(NftVerdictKind Kind, string? Chain = null)
{
    /// <summary>It passes this hook.</summary>
    public static NftVerdict Accept { get; } = new(NftVerdictKind.Accept);

    /// <summary>It is dropped.</summary>
    public static NftVerdict Drop { get; } = new(NftVerdictKind.Drop);

    /// <summary>Another chain is asked.</summary>
    public static NftVerdict Jump(string chain) => new(NftVerdictKind.Jump, chain);

    /// <summary>As nft(8) writes it.</summary>
    public override string ToString() => Chain is null
        ? Kind.ToString().ToLowerInvariant()
        : $"{Kind.ToString().ToLowerInvariant()} {Chain}";

    internal void Write(NetlinkWriter writer)
    {
        using (writer.Nested(Isolation.Linux.Abi.NfTables.NFTA_DATA_VERDICT))
        {
            writer.PutBigEndianUInt32(Isolation.Linux.Abi.NfTables.NFTA_VERDICT_CODE, unchecked((uint)Kind));
            if (Chain is not null)
                writer.PutText(Isolation.Linux.Abi.NfTables.NFTA_VERDICT_CHAIN, NftNames.Check(Chain));
        }
    }

    internal static NftVerdict Read(AttributeReader reader)
    {
        int code = 0;
        string? chain = null;
        while (reader.MoveNext())
        {
            if (reader.Type == Isolation.Linux.Abi.NfTables.NFTA_VERDICT_CODE)
                code = unchecked((int)reader.BigEndianUInt32);
            else if (reader.Type == Isolation.Linux.Abi.NfTables.NFTA_VERDICT_CHAIN)
                chain = reader.Text;
        }

        return new NftVerdict((NftVerdictKind)code, chain);
    }
}
