namespace Isolation.Extensions.Hosting;

/// <summary>When a container that has ended is started again.</summary>
public enum RestartPolicy
{
    /// <summary>Whenever it has not exited with code 0, or could not start.</summary>
    OnFailure,

    /// <summary>However it has ended.</summary>
    Always,

    /// <summary>Not.</summary>
    Never,
}
