namespace Isolation.Net.Nftables;

/// <summary>What a base chain is for.</summary>
public enum NftChainType
{
    /// <summary>Lets packets pass, or not.</summary>
    Filter,

    /// <summary>Translates addresses: only the first packet of a connection comes here.</summary>
    Nat,

    /// <summary>Changes packets so that they are routed anew.</summary>
    Route,
}
