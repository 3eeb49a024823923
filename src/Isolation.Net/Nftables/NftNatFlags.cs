namespace Isolation.Net.Nftables;

/// <summary>How ports and addresses are chosen: <c>NF_NAT_RANGE_*</c>.</summary>
[Flags]
public enum NftNatFlags : uint
{
    /// <summary>As the kernel does.</summary>
    None = 0,

    /// <summary>At random: <c>random</c>.</summary>
    Random = 4,

    /// <summary>The same address for the same client: <c>persistent</c>.</summary>
    Persistent = 8,

    /// <summary>At random, from the beginning: <c>fully-random</c>.</summary>
    FullyRandom = 16,

    /// <summary>The network's part is exchanged, and the rest of the address kept: <c>prefix</c>. Since Linux 5.8.</summary>
    Prefix = 64,
}
