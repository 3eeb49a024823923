using System.Collections.Immutable;

namespace Isolation.Net.Nftables;

/// <summary>All tables of a network namespace.</summary>
/// <param name="Tables">The tables.</param>
public sealed record NftRuleset(ImmutableArray<NftTableContent> Tables)
{
    /// <summary>The tables as <c>nft list ruleset</c> prints them.</summary>
    public override string ToString() => string.Concat(Tables.Select(t => t.ToString()));
}
