using System.Collections.Immutable;
using System.Globalization;

namespace Isolation.Net.Nftables;

/// <summary>Elements of a set, for a batch: what <c>nft add element</c> adds.</summary>
/// <param name="Set">The set.</param>
/// <param name="Items">The elements.</param>
public sealed record NftElements(NftSet Set, ImmutableArray<NftElement> Items)
{
    internal string Subject => string.Create(CultureInfo.InvariantCulture,
        $"{Items.Length} {(Items.Length == 1 ? "element" : "elements")} of {Set.Noun} {Set.Subject}");

    /// <summary>Compares by value, the elements included.</summary>
    public bool Equals(NftElements? other) => other is not null && Set == other.Set && Items.AsSpan().SequenceEqual(other.Items.AsSpan());

    /// <inheritdoc/>
    public override int GetHashCode() => HashCode.Combine(Set, Items.Length);
}
