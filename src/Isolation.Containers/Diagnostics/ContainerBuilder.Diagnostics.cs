using Microsoft.Extensions.Logging;

namespace Isolation.Containers;

public sealed partial class ContainerBuilder
{
    /// <summary>Sets the logger of the container's start, end, limits, denials and failed clean-up; null for
    /// <see cref="ContainerDiagnostics.LoggerFactory"/>.</summary>
    /// <remarks>It is called on threads that launch and clean up, and must not block. Arguments of the command and environment values are
    /// never logged.</remarks>
    public ContainerBuilder WithLogger(ILogger? logger) => new(_start with { Logger = logger });
}
