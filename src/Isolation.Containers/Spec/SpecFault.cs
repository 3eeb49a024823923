using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>One fault of a specification.</summary>
/// <param name="Path">Where, in the words of OCI's config.json: <c>process.args</c>, <c>mounts[2].destination</c>.</param>
/// <param name="Rule">The rule that is violated.</param>
/// <param name="Value">The value; null where there is none.</param>
public sealed record SpecFault(string Path, string Rule, string? Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value is null ? $"{Path}: {Rule}" : $"{Path}: {Rule}, not \"{Value}\"";
}
