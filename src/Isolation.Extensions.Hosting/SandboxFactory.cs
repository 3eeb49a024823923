using Isolation.Containers;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting;

/// <summary>Builders from the options as they are now, with the host's logger.</summary>
internal sealed class SandboxFactory(IOptionsMonitor<IsolationOptions> options, ILoggerFactory? loggers = null) : ISandboxFactory
{
    private readonly ILogger? _logger = loggers?.CreateLogger(ContainerDiagnostics.LoggerCategory);

    public IReadOnlyCollection<string> Names => [.. options.CurrentValue.Sandboxes.Keys];

    public ContainerBuilder CreateBuilder(string name)
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        IsolationOptions current = options.CurrentValue;
        return current.Sandboxes.TryGetValue(name, out SandboxDefinition? definition)
            ? definition.ToBuilder().WithLogger(_logger)
            : throw new KeyNotFoundException($"There is no sandbox \"{name}\". {Known(current.Sandboxes.Keys)}");
    }

    internal static string Known(IEnumerable<string> names) =>
        string.Join(", ", names.Order(StringComparer.Ordinal)) is { Length: > 0 } known ? $"There are: {known}." : "None is defined.";
}
