using System.Globalization;

namespace Isolation.Namespaces;

/// <summary>One line of a uid_map or gid_map: a run of ids inside and the run outside that they stand for.</summary>
/// <param name="Inside">The first id in the namespace.</param>
/// <param name="Outside">The first id in the parent namespace.</param>
/// <param name="Count">How many ids, at least 1.</param>
public readonly record struct IdMapRange(uint Inside, uint Outside, uint Count)
{
    /// <summary>The kernel's form: <c>0 100000 65536</c>.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Inside} {Outside} {Count}");
}
