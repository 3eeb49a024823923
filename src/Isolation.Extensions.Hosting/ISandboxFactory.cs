using Isolation.Containers;

namespace Isolation.Extensions.Hosting;

/// <summary>Gives a builder for each named definition.</summary>
/// <remarks>The same builders are keyed services: <c>[FromKeyedServices("judge")] ContainerBuilder builder</c>.</remarks>
public interface ISandboxFactory
{
    /// <summary>The names of the definitions.</summary>
    IReadOnlyCollection<string> Names { get; }

    /// <summary>A builder with everything that the definition says, and the host's logger. A definition that has changed meanwhile holds
    /// from the next call on.</summary>
    /// <exception cref="KeyNotFoundException">There is no such definition; the text names those that there are.</exception>
    ContainerBuilder CreateBuilder(string name);
}
