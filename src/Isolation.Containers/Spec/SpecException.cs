using System.Collections.Immutable;
using Isolation.Linux;

namespace Isolation.Containers;

/// <summary>A specification is invalid. Lists all of its faults.</summary>
public sealed class SpecException : IsolationException
{
    /// <summary>Initialises the exception from the faults.</summary>
    public SpecException(params IEnumerable<SpecFault> faults) : this([.. faults])
    {
    }

    private SpecException(ImmutableArray<SpecFault> faults)
        : base(faults.Length == 1 ? $"The container cannot be built: {faults[0].ToString().TrimEnd('.')}."
            : $"The container cannot be built:\n  {string.Join("\n  ", faults)}") =>
        Faults = faults;

    /// <summary>The faults, in the order of the spec.</summary>
    public ImmutableArray<SpecFault> Faults { get; }
}
