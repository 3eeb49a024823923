namespace Isolation.Containers;

/// <summary>A difference between two specs.</summary>
/// <param name="Path">Where, in the words of the JSON form: <c>mounts[2].destination</c>.</param>
/// <param name="Before">What stands there in the first, as JSON; null where nothing does.</param>
/// <param name="After">What stands there in the second, as JSON; null where nothing does.</param>
public sealed record SpecChange(string Path, string? Before, string? After)
{
    /// <inheritdoc/>
    public override string ToString() => $"{Path}: {Before ?? "nothing"} -> {After ?? "nothing"}";
}
