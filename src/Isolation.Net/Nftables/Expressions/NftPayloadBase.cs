namespace Isolation.Net.Nftables.Expressions;

/// <summary>Where bytes of a packet are counted from: <c>NFT_PAYLOAD_*</c>.</summary>
public enum NftPayloadBase
{
    /// <summary>The link layer's header.</summary>
    LinkLayer = 0,

    /// <summary>The IP header.</summary>
    Network = 1,

    /// <summary>The transport header.</summary>
    Transport = 2,
}
