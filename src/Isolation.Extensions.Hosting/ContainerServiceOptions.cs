namespace Isolation.Extensions.Hosting;

/// <summary>How a host keeps a container running. In configuration, a section of <c>Services</c>; each property is a key.</summary>
public sealed class ContainerServiceOptions
{
    /// <summary>The name of the definition; null for the service's own name.</summary>
    public string? Sandbox { get; set; }

    /// <summary>When it is started again.</summary>
    public RestartPolicy Restart { get; set; } = RestartPolicy.OnFailure;

    /// <summary>The delay before the first restart, doubled for each further one.</summary>
    public TimeSpan MinimumDelay { get; set; } = TimeSpan.FromMilliseconds(200);

    /// <summary>The longest delay.</summary>
    public TimeSpan MaximumDelay { get; set; } = TimeSpan.FromMinutes(1);

    /// <summary>A container that has run so long was healthy: delays and restarts are counted anew from then on.</summary>
    public TimeSpan HealthyAfter { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>How many restarts in a row there may be; null for any number.</summary>
    public int? MaximumRestarts { get; set; }

    /// <summary>How long the program has to end by SIGTERM when the host stops; then it is killed. The host waits for all services together
    /// no longer than its own <c>ShutdownTimeout</c>, 30 s unless that is set.</summary>
    public TimeSpan StopGrace { get; set; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether the host stops when the container has ended and is not started again.</summary>
    public bool StopsHost { get; set; }

    /// <summary>The section that it was read from; null for one that was made in code.</summary>
    internal string? Section { get; set; }
}
