using System.Diagnostics;
using Isolation.Containers;
using Isolation.Linux;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Options;

namespace Isolation.Extensions.Hosting;

/// <summary>Keeps a container running while the host runs: restarts by policy with a delay that doubles, and an end by SIGTERM when the
/// host stops.</summary>
/// <remarks>A keyed service: <c>[FromKeyedServices("web")] ContainerService web</c>. The container dies with this process, however that
/// ends.</remarks>
public sealed class ContainerService : BackgroundService
{
    private readonly IOptionsMonitor<IsolationOptions> _options;
    private readonly ISandboxFactory _sandboxes;
    private readonly IHostApplicationLifetime _lifetime;
    private readonly ILogger _logger;
    private volatile Container? _container;
    private volatile int _state, _restarts;

    internal ContainerService(string name, IOptionsMonitor<IsolationOptions> options, ISandboxFactory sandboxes,
        IHostApplicationLifetime lifetime, ILogger<ContainerService> logger) =>
        (Name, _options, _sandboxes, _lifetime, _logger) = (name, options, sandboxes, lifetime, logger);

    /// <summary>Its name.</summary>
    public string Name { get; }

    /// <summary>What it is at.</summary>
    public ContainerServiceState State => (ContainerServiceState)_state;

    /// <summary>The container that runs; null while none does.</summary>
    public Container? Container => _container;

    /// <summary>How often its container was started again, in all.</summary>
    public int Restarts => _restarts;

    /// <summary>How the last container ended; null before the first end.</summary>
    public ContainerResult? LastResult { get; private set; }

    /// <summary>Why the last start failed; null where it did not.</summary>
    public Exception? LastFailure { get; private set; }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        ContainerServiceOptions options = _options.CurrentValue.Service(Name);
        var backoff = new RestartBackoff(options);
        while (!stoppingToken.IsCancellationRequested)
        {
            (bool succeeded, TimeSpan ran, string outcome) = await RunOnceAsync(options, stoppingToken).ConfigureAwait(false);
            if (stoppingToken.IsCancellationRequested)
            {
                HostingLogMessages.ServiceStopped(_logger, Name, outcome);
                break;
            }

            if (backoff.After(succeeded, ran) is not { } delay)
            {
                End(options, succeeded, outcome, backoff.InRow);
                return;
            }

            HostingLogMessages.ServiceRestarts(_logger, Name, outcome, backoff.InRow, delay.TotalMilliseconds);
            _state = (int)ContainerServiceState.BackingOff;
            await Task.Delay(delay, stoppingToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _restarts++;
        }

        _state = (int)ContainerServiceState.Stopped;
    }

    private async Task<(bool Succeeded, TimeSpan Ran, string Outcome)> RunOnceAsync(ContainerServiceOptions options,
        CancellationToken stopping)
    {
        _state = (int)ContainerServiceState.Starting;
        long start = 0;
        try
        {
            Container container = await _sandboxes.CreateBuilder(options.Sandbox ?? Name).StartAsync(stopping).ConfigureAwait(false);
            start = Stopwatch.GetTimestamp();
            await using (container.ConfigureAwait(false))
            {
                _container = container;
                _state = (int)ContainerServiceState.Running;
                LastFailure = null;
                ContainerResult result = await WaitOrStopAsync(container, options.StopGrace, stopping).ConfigureAwait(false);
                LastResult = result;
                return (result.IsSuccess, Stopwatch.GetElapsedTime(start), result.ToString());
            }
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return (false, TimeSpan.Zero, "while it was being started");
        }
#pragma warning disable CA1031 // A definition that has become wrong, a root that is gone: each is a failed start, and the policy decides.
        catch (Exception e)
#pragma warning restore CA1031
        {
            LastFailure = e;
            return (false, start == 0 ? TimeSpan.Zero : Stopwatch.GetElapsedTime(start), Told(e));
        }
        finally
        {
            _container = null;
        }
    }

    private static async Task<ContainerResult> WaitOrStopAsync(Container container, TimeSpan grace, CancellationToken stopping)
    {
        try
        {
            return await container.WaitAsync(stopping).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (stopping.IsCancellationRequested)
        {
            return await container.StopAsync(grace, CancellationToken.None).ConfigureAwait(false);
        }
    }

    /// <summary>Without the subjects of a launch's steps, which may be the caller's words.</summary>
    private static string Told(Exception e) => e is LaunchException launch
        ? $"did not start: {launch.FailedStep.Action}: {launch.Call} failed with {launch.Errno}"
        : e is LinuxException refused ? $"did not start: {refused.Call} failed with {refused.Errno}"
        : $"did not start: {e.GetType().Name}";

    private void End(ContainerServiceOptions options, bool succeeded, string outcome, int restarts)
    {
        _state = (int)(succeeded ? ContainerServiceState.Completed : ContainerServiceState.Failed);
        if (succeeded)
            HostingLogMessages.ServiceCompleted(_logger, Name, outcome);
        else
            HostingLogMessages.ServiceFailed(_logger, Name, outcome, restarts);
        if (options.StopsHost)
            _lifetime.StopApplication();
    }
}
