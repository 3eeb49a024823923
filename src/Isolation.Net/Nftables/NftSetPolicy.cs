namespace Isolation.Net.Nftables;

/// <summary>What the kernel chooses the structure of a set by: <c>NFT_SET_POL_*</c>. See nft(8), "Sets".</summary>
public enum NftSetPolicy
{
    /// <summary>The fastest lookup: <c>performance</c>.</summary>
    Performance = 0,

    /// <summary>The least memory: <c>memory</c>.</summary>
    Memory = 1,
}
