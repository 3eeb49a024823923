using Isolation.Containers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Isolation.Extensions.Hosting;

/// <summary>Adds health checks of containers.</summary>
public static class IsolationHealthChecksBuilderExtensions
{
    private static readonly string[] s_required = ["kernel", "architecture", "privileges"];

    /// <summary>Adds the preflight of the host, <see cref="HostFacts.Checks"/>: unhealthy without what is needed, degraded without the
    /// rest, with the remedy in the description.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="required">Names of the checks that are needed; null for <c>kernel</c>, <c>architecture</c>,
    /// <c>privileges</c>.</param>
    /// <param name="name">The health check's name.</param>
    /// <param name="tags">Its tags.</param>
    public static IHealthChecksBuilder AddIsolationHost(this IHealthChecksBuilder builder, IEnumerable<string>? required = null,
        string name = "isolation", IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        var check = new HostHealthCheck((required ?? s_required).ToHashSet(StringComparer.Ordinal), () => HostFacts.Current.Checks());
        return builder.Add(new HealthCheckRegistration(name, check, failureStatus: null, tags));
    }

    /// <summary>Adds the state of a <see cref="ContainerService"/>: healthy while its container runs or has ended well, degraded while it
    /// starts, else unhealthy.</summary>
    /// <param name="builder">The builder.</param>
    /// <param name="service">The service's name.</param>
    /// <param name="name">The health check's name; null for the service's.</param>
    /// <param name="tags">Its tags.</param>
    public static IHealthChecksBuilder AddContainerService(this IHealthChecksBuilder builder, string service, string? name = null,
        IEnumerable<string>? tags = null)
    {
        ArgumentNullException.ThrowIfNull(builder);
        ArgumentException.ThrowIfNullOrEmpty(service);
        return builder.Add(new HealthCheckRegistration(name ?? service,
            p => new ContainerServiceHealthCheck(p.GetRequiredKeyedService<ContainerService>(service)), failureStatus: null, tags));
    }
}
