using Isolation.Security;

namespace Isolation.Containers;

/// <summary>A run whose system calls were recorded.</summary>
/// <param name="Result">How the container ended.</param>
/// <param name="Profile">The calls that it made.</param>
public sealed record LearnedRun(ContainerResult Result, LearnedProfile Profile);
