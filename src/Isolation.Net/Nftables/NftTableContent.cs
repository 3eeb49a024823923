using System.Collections.Immutable;

namespace Isolation.Net.Nftables;

/// <summary>A table with all that is in it.</summary>
public sealed record NftTableContent
{
    /// <summary>The table.</summary>
    public required NftTable Table { get; init; }

    /// <summary>Its chains, each with its rules in order.</summary>
    public ImmutableArray<(NftChain Chain, ImmutableArray<NftRule> Rules)> Chains { get; init; } = [];

    /// <summary>Its sets and maps, each with its elements, sorted.</summary>
    public ImmutableArray<(NftSet Set, ImmutableArray<NftElement> Elements)> Sets { get; init; } = [];

    /// <summary>Its counters and quotas.</summary>
    public ImmutableArray<NftStateful> Objects { get; init; } = [];

    /// <summary>The table as <c>nft list table</c> prints it.</summary>
    public override string ToString() => NftSyntax.Table(this);
}
