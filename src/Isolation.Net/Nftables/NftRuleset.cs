using System.Collections.Immutable;

namespace Isolation.Net;

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

/// <summary>All tables of a network namespace.</summary>
/// <param name="Tables">The tables.</param>
public sealed record NftRuleset(ImmutableArray<NftTableContent> Tables)
{
    /// <summary>The tables as <c>nft list ruleset</c> prints them.</summary>
    public override string ToString() => string.Concat(Tables.Select(t => t.ToString()));
}
