namespace Isolation.Extensions.Hosting;

/// <summary>What a <see cref="ContainerService"/> is at.</summary>
public enum ContainerServiceState
{
    /// <summary>The host has not started it yet.</summary>
    Waiting,

    /// <summary>Its container is being started.</summary>
    Starting,

    /// <summary>Its container runs.</summary>
    Running,

    /// <summary>Its container has ended, and is started again after a delay.</summary>
    BackingOff,

    /// <summary>Its container has ended well, and is not started again.</summary>
    Completed,

    /// <summary>Its container has failed, and is not started again.</summary>
    Failed,

    /// <summary>The host has stopped it.</summary>
    Stopped,
}
