namespace Isolation.Cgroups;

/// <summary>How long tasks had to wait for a resource: one line of a pressure file. See the kernel's PSI document.</summary>
/// <param name="Average10">Share of the last 10 seconds, in percent.</param>
/// <param name="Average60">Share of the last 60 seconds, in percent.</param>
/// <param name="Average300">Share of the last 300 seconds, in percent.</param>
/// <param name="Total">All of it, since the beginning.</param>
public readonly record struct PressureLine(double Average10, double Average60, double Average300, TimeSpan Total);
