namespace Isolation.Net.Nftables;

/// <summary>What becomes of a packet.</summary>
public enum NftVerdictKind
{
    /// <summary>It is dropped.</summary>
    Drop = 0,

    /// <summary>It passes this hook.</summary>
    Accept = 1,

    /// <summary>The next rule is asked.</summary>
    Continue = -1,

    /// <summary>Another chain is asked, and then the next rule.</summary>
    Jump = -3,

    /// <summary>Another chain is asked, and then the one that this one was called from.</summary>
    Goto = -4,

    /// <summary>The chain that this one was called from goes on; a base chain ends with its policy.</summary>
    Return = -5,
}
