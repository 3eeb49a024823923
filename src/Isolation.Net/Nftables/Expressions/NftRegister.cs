using Isolation.Linux.Abi;

namespace Isolation.Net.Nftables.Expressions;

/// <summary>A register of nf_tables. The first four of 16 bytes lie over the sixteen of 4.</summary>
public readonly record struct NftRegister(uint Number)
{
    /// <summary>The verdict.</summary>
    public static NftRegister Verdict { get; } = new(NfTables.NFT_REG_VERDICT);

    /// <summary>The first register of 16 bytes.</summary>
    public static NftRegister First { get; } = new(NfTables.NFT_REG_1);

    /// <summary>A register of 4 bytes, 0 to 15.</summary>
    public static NftRegister Word(int index) => new(NfTables.NFT_REG32_00 + (uint)index);

    /// <summary>Which word of the registers it begins at; the kernel names whole ones by their old numbers.</summary>
    internal int Index => Number >= NfTables.NFT_REG32_00 ? (int)(Number - NfTables.NFT_REG32_00) : ((int)Number - 1) * 4;
}
