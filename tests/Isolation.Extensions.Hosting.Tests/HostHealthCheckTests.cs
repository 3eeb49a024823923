using System.Collections.Immutable;
using Isolation.Containers;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;

namespace Isolation.Extensions.Hosting.Tests;

/// <summary>The preflight as a health check.</summary>
public class HostHealthCheckTests
{
    private static readonly HostCheck s_kernel = new("kernel", true, "6.18", null);

    private static readonly HostCheck s_old = new("kernel", false, "4.19", "Linux 5.12 or newer is needed.");

    private static readonly HostCheck s_landlock = new("Landlock", false, "not active", "Have landlock in the list.");

    [Fact]
    public async Task All_that_works_is_healthy_and_told()
    {
        HealthCheckResult result = await CheckAsync(HealthStatus.Unhealthy, s_kernel);
        Assert.Equal((HealthStatus.Healthy, "6.18"), (result.Status, result.Data["kernel"]));
    }

    [Fact]
    public async Task What_only_some_need_degrades_with_the_remedy()
    {
        HealthCheckResult result = await CheckAsync(HealthStatus.Unhealthy, s_kernel, s_landlock);
        Assert.Equal((HealthStatus.Degraded, "Landlock: not active (Have landlock in the list.)"), (result.Status, result.Description));
    }

    [Theory]
    [InlineData(HealthStatus.Unhealthy)]
    [InlineData(HealthStatus.Degraded)]
    public async Task What_all_need_fails_as_registered(HealthStatus failure)
    {
        HealthCheckResult result = await CheckAsync(failure, s_old, s_landlock);
        Assert.Equal(failure, result.Status);
        Assert.Contains("kernel: 4.19", result.Description);
    }

    [Fact]
    public async Task This_hosts_own_preflight_is_asked()
    {
        var services = new ServiceCollection();
        services.AddLogging().AddHealthChecks().AddIsolationHost(tags: ["ready"]);
        await using ServiceProvider provider = services.BuildServiceProvider();
        HealthReport report = await provider.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        HealthReportEntry entry = report.Entries["isolation"];
        Assert.Equal(HostFacts.Current.Checks().Select(c => c.Name).Order(), entry.Data.Keys.Order());
        Assert.Equal(HostFacts.Current.Checks().All(c => c.Works), entry.Status == HealthStatus.Healthy);
        Assert.Equal(["ready"], entry.Tags);
    }

    private static Task<HealthCheckResult> CheckAsync(HealthStatus failure, params ImmutableArray<HostCheck> checks)
    {
        var check = new HostHealthCheck(new HashSet<string> { "kernel" }, () => checks);
        var registration = new HealthCheckRegistration("isolation", check, failure, null);
        return check.CheckHealthAsync(new HealthCheckContext { Registration = registration });
    }
}
