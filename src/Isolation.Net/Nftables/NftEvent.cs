namespace Isolation.Net.Nftables;

/// <summary>Something in the packet filter was made or deleted.</summary>
/// <param name="Subject">What: a table, chain, rule, set, counter or quota; null for elements.</param>
/// <param name="Elements">The elements, with a set that has only its names.</param>
/// <param name="Deleted">Whether it is gone.</param>
public sealed record NftEvent(NftObject? Subject, NftElements? Elements, bool Deleted);
