using System.Diagnostics;
using Isolation.Containers;
using Isolation.Extensions.Hosting;
using Isolation.Kernel.Tests.Diagnostics;
using Isolation.Linux;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Isolation.Kernel.Tests.Hosting;

/// <summary>Real containers that a real host keeps running.</summary>
public class ContainerServiceTests
{
    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(30);

    private readonly RecordingLogger _logger = new(LogLevel.Information);

    [Fact]
    public async Task A_container_that_fails_is_started_again_until_it_may_not_be_and_the_host_stops()
    {
        await WarmUpAsync();
        var leaks = new Leaks();
        using (IHost host = Build("exit 5", o =>
        {
            (o.MinimumDelay, o.MaximumRestarts, o.StopsHost) = (TimeSpan.FromMilliseconds(20), 2, true);
        }))
        {
            await host.StartAsync();
            await host.WaitForShutdownAsync().WaitAsync(s_soon);
            ContainerService service = Service(host);
            Assert.Equal((ContainerServiceState.Failed, 2, 5), (service.State, service.Restarts, service.LastResult!.Status.Code));
            Assert.Null(service.Container);
            Assert.Equal([1, 5, 101, 1, 5, 101, 1, 5, 103], _logger.Ids.Where(i => i is 1 or 5 or > 100));
            Assert.Equal([20.0, 40.0], _logger.Entries.Where(e => e.Id == 101).Select(e => (double)e.Fields["DelayMs"]!));
        }

        leaks.AssertNone();
    }

    [Theory]
    [InlineData(RestartPolicy.OnFailure)]
    [InlineData(RestartPolicy.Never)]
    public async Task One_that_ends_well_is_complete(RestartPolicy policy)
    {
        using IHost host = Build("exit 0", o => (o.Restart, o.StopsHost) = (policy, true));
        await host.RunAsync().WaitAsync(s_soon);
        Assert.Single(_logger.Entries, e => e.Id == 102);
        Assert.Single(_logger.Entries, e => e.Id == 1);
    }

    [Fact]
    public async Task One_that_always_runs_is_started_again_after_a_good_end()
    {
        using IHost host = Build("exit 0", o => (o.Restart, o.MinimumDelay) = (RestartPolicy.Always, TimeSpan.FromMilliseconds(5)));
        await host.StartAsync();
        Assert.True(SpinWait.SpinUntil(() => Service(host).Restarts >= 3, s_soon));
        await host.StopAsync();
        Assert.Equal(ContainerServiceState.Stopped, Service(host).State);
    }

    [Theory]
    [InlineData("trap 'exit 7' TERM; echo ready; while :; do sleep 0.02; done", 10_000, 7, null)]
    [InlineData("trap '' TERM; echo ready; while :; do sleep 0.02; done", 300, null, 9)]
    public async Task A_host_that_stops_asks_the_program_to_end_and_kills_it_after_the_grace(string script, int grace, int? code,
        int? signal)
    {
        await WarmUpAsync();
        var leaks = new Leaks();
        var output = new MemoryStream();
        using (IHost host = Build(script, o => o.StopGrace = TimeSpan.FromMilliseconds(grace), output))
        {
            await host.StartAsync();
            ContainerService service = Service(host);
            Assert.True(SpinWait.SpinUntil(() => output.Length > 0 && service.State == ContainerServiceState.Running, s_soon));
            Assert.NotNull(service.Container);
            long start = Stopwatch.GetTimestamp();
            await host.StopAsync();
            TimeSpan took = Stopwatch.GetElapsedTime(start);
            Assert.Equal((code, signal), (service.LastResult!.Status.Code, (int?)service.LastResult.Status.Signal));
            Assert.Equal(ContainerServiceState.Stopped, service.State);
            Assert.True(code is null ? took >= TimeSpan.FromMilliseconds(grace) : took < TimeSpan.FromMilliseconds(grace), took.ToString());
            Assert.Single(_logger.Entries, e => e.Id == 104);
        }

        leaks.AssertNone();
    }

    [Fact]
    public async Task A_start_that_fails_counts_as_a_failure_and_is_told_to_the_health_check()
    {
        using IHost host = Build("", o => o.MinimumDelay = o.MaximumDelay = TimeSpan.FromMinutes(10), program: "/bin/none");
        await host.StartAsync();
        ContainerService service = Service(host);
        Assert.True(SpinWait.SpinUntil(() => service.State == ContainerServiceState.BackingOff, s_soon));
        Assert.Equal(Errno.ENOENT, Assert.IsType<LaunchException>(service.LastFailure).Errno);
        HealthReport report = await host.Services.GetRequiredService<HealthCheckService>().CheckHealthAsync();
        Assert.Equal(HealthStatus.Unhealthy, report.Entries["web"].Status);
        await host.StopAsync().WaitAsync(s_soon); // it does not wait for the delay
    }

    [Fact]
    public async Task A_service_that_runs_is_healthy()
    {
        using IHost host = Build("exec sleep 1000", _ => { });
        HealthCheckService health = host.Services.GetRequiredService<HealthCheckService>();
        Assert.Equal(HealthStatus.Degraded, (await health.CheckHealthAsync()).Entries["web"].Status);
        await host.StartAsync();
        Assert.True(SpinWait.SpinUntil(() => Service(host).State == ContainerServiceState.Running, s_soon));
        HealthReportEntry entry = (await health.CheckHealthAsync()).Entries["web"];
        Assert.Equal((HealthStatus.Healthy, "Running", 0), (entry.Status, entry.Data["state"], entry.Data["restarts"]));
        await host.StopAsync();
    }

    [Fact]
    public async Task Services_of_the_configuration_run_and_wrong_ones_keep_the_host_from_starting()
    {
        Dictionary<string, string?> settings = new()
        {
            ["Isolation:Sandboxes:greeter:Rootfs"] = "host",
            ["Isolation:Sandboxes:greeter:Command:0"] = "/bin/sh",
            ["Isolation:Sandboxes:greeter:Command:1"] = "-c",
            ["Isolation:Sandboxes:greeter:Command:2"] = "test \"$WHO\" = you",
            ["Isolation:Sandboxes:greeter:Environment:WHO"] = "you",
            ["Isolation:Sandboxes:greeter:Timeout"] = "00:00:20",
            ["Isolation:Services:greeting:Sandbox"] = "greeter",
            ["Isolation:Services:greeting:StopsHost"] = "true",
        };
        using IHost host = FromConfiguration(settings);
        await host.RunAsync().WaitAsync(s_soon);
        Assert.Single(_logger.Entries, e => e.Id == 102 && e.Fields["Service"] is "greeting");
        settings["Isolation:Sandboxes:greeter:Timout"] = "00:00:20";
        using IHost wrong = FromConfiguration(settings);
        var thrown = await Assert.ThrowsAsync<OptionsValidationException>(() => wrong.StartAsync());
        Assert.Equal("Isolation:Sandboxes:greeter:Timout is unknown. Is Timeout meant?", Assert.Single(thrown.Failures));
    }

    /// <summary>The first host loads assemblies, whose files stay open.</summary>
    private async Task WarmUpAsync()
    {
        using (IHost host = Build("exit 0", o => o.StopsHost = true))
            await host.RunAsync().WaitAsync(s_soon);
        _logger.Entries.Clear();
    }

    private static ContainerService Service(IHost host) => host.Services.GetRequiredKeyedService<ContainerService>("web");

    private IHost FromConfiguration(Dictionary<string, string?> settings)
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Configuration.AddInMemoryCollection(settings);
        builder.Services.AddIsolation(builder.Configuration.GetSection("Isolation"));
        builder.Logging.AddProvider(_logger);
        return builder.Build();
    }

    private IHost Build(string script, Action<ContainerServiceOptions> configure, Stream? output = null, string program = "/bin/sh")
    {
        HostApplicationBuilder builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(null);
        builder.Services.AddIsolation(o =>
        {
            SandboxDefinition web = o.Sandbox("web");
            web.Rootfs = Rootfs.Host;
            web.Command.Add(program);
            web.Command.Add("-c");
            web.Command.Add(script);
            web.Configure = b => b.WithStandardOutput(output ?? Stream.Null).WithStandardError(Stdio.Null);
        });
        builder.Services.AddContainerService("web", configure);
        builder.Services.AddHealthChecks().AddContainerService("web").AddIsolationHost();
        builder.Logging.AddProvider(_logger);
        return builder.Build();
    }
}
