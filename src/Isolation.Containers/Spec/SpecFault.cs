using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>One fault of a spec.</summary>
/// <param name="Path">Where, in the words of OCI's config.json: <c>process.args</c>, <c>mounts[2].destination</c>.</param>
/// <param name="Rule">What should hold.</param>
/// <param name="Value">What stands there instead; null where nothing does.</param>
public sealed record SpecFault(string Path, string Rule, string? Value)
{
    /// <inheritdoc/>
    public override string ToString() => Value is null ? $"{Path}: {Rule}" : $"{Path}: {Rule}, not \"{Value}\"";
}
