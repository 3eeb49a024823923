using System.Globalization;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Isolation.Extensions.Hosting;

/// <summary>Whether a service's container runs, or has ended well.</summary>
internal sealed class ContainerServiceHealthCheck(ContainerService service) : IHealthCheck
{
    public Task<HealthCheckResult> CheckHealthAsync(HealthCheckContext context, CancellationToken cancellationToken = default)
    {
        var data = new Dictionary<string, object>(StringComparer.Ordinal)
        {
            ["state"] = service.State.ToString(),
            ["restarts"] = service.Restarts,
        };
        string text = string.Create(CultureInfo.InvariantCulture,
            $"{service.Name}: {service.State}, {service.Restarts} restarts{(service.LastResult is { } last ? $"; last: {last}" : "")}");
        HealthStatus status = service.State switch
        {
            ContainerServiceState.Running or ContainerServiceState.Completed => HealthStatus.Healthy,
            ContainerServiceState.Waiting or ContainerServiceState.Starting => HealthStatus.Degraded,
            _ => context.Registration.FailureStatus,
        };
        return Task.FromResult(new HealthCheckResult(status, text, data: data));
    }
}
