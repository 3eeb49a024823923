namespace Isolation.Net.Nftables;

/// <summary>How two values are compared: <c>NFT_CMP_*</c>. Of numbers the most significant byte is the first.</summary>
public enum NftOperator
{
    /// <summary>Equal.</summary>
    Equal = 0,

    /// <summary>Not equal.</summary>
    NotEqual = 1,

    /// <summary>Less.</summary>
    LessThan = 2,

    /// <summary>Less or equal.</summary>
    LessOrEqual = 3,

    /// <summary>Greater.</summary>
    GreaterThan = 4,

    /// <summary>Greater or equal.</summary>
    GreaterOrEqual = 5,
}
