using System.Collections.Immutable;
using Isolation.Containers;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Isolation.Extensions.Hosting;

/// <summary>The preflight of the host as a health check: without what is needed no container starts, without the rest some do
/// not.</summary>
internal sealed class HostHealthCheck(IReadOnlySet<string> required, Func<ImmutableArray<HostCheck>> look) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        ImmutableArray<HostCheck> checks = look();
        HostCheck[] failed = [.. checks.Where(c => !c.Works)];
        var data = checks.ToDictionary(c => c.Name, object (c) => c.Found, StringComparer.Ordinal);
        if (failed.Length == 0)
            return Task.FromResult(HealthCheckResult.Healthy("This host can isolate.", data));
        string text = string.Join("; ", failed.Select(c => $"{c.Name}: {c.Found}{(c.Remedy is { } remedy ? $" ({remedy})" : "")}"));
        bool fatal = failed.Any(c => required.Contains(c.Name));
        return Task.FromResult(new HealthCheckResult(fatal ? context.Registration.FailureStatus : HealthStatus.Degraded, text, data: data));
    }
}
