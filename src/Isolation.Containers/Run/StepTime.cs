namespace Isolation.Containers;

/// <summary>How long a step of a start took.</summary>
/// <param name="Step">The step.</param>
/// <param name="Duration">From the end of the step before to the end of this one.</param>
public sealed record StepTime(LaunchStep Step, TimeSpan Duration)
{
    /// <inheritdoc/>
    public override string ToString() =>
        string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{Duration.TotalMicroseconds,8:F1} us {Step}");
}
