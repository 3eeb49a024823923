using System.Globalization;

namespace Isolation.Net.Routing;

/// <summary>Numbers that follow each other, of ports or users.</summary>
/// <param name="First">The first.</param>
/// <param name="Last">The last.</param>
public readonly record struct RuleRange(uint First, uint Last)
{
    /// <summary>The range as <c>ip rule</c> prints it: <c>80</c>, or <c>1000-1999</c>.</summary>
    public override string ToString() => First == Last ? First.ToString(CultureInfo.InvariantCulture)
        : string.Create(CultureInfo.InvariantCulture, $"{First}-{Last}");
}
