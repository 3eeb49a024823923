using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Security;

/// <summary>What a profile's includes and excludes are decided by.</summary>
public sealed record SeccompProfileHost
{
    /// <summary>The architecture that the profile is for; its sub-architectures come from the profile.</summary>
    public SeccompArchitecture Architecture { get; init; } = SeccompArchitectures.Native;

    /// <summary>The architectures of the filter; null takes those that the profile names,
    /// and <see cref="Architecture"/> with them.</summary>
    public ImmutableArray<SeccompArchitecture>? Architectures { get; init; }

    /// <summary>The capabilities of the program.</summary>
    public CapabilitySet Capabilities { get; init; } = CapabilitySet.DockerDefault;

    /// <summary>The kernel.</summary>
    public KernelVersion Kernel { get; init; } = KernelVersion.Running;
}
