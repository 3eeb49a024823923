namespace Isolation.Net.Nftables;

/// <summary>A kind of object with a name that keeps state: <c>NFT_OBJECT_*</c>. Other kinds are kept by their number.</summary>
public enum NftStatefulKind
{
    /// <summary><c>counter</c>.</summary>
    Counter = 1,

    /// <summary><c>quota</c>.</summary>
    Quota = 2,
}
