namespace Isolation.Linux;

/// <summary>This kernel or host cannot do what was asked. Nothing was attempted.</summary>
public class KernelFeatureException : IsolationException
{
    /// <summary>Initialises the exception from its facts; the message is composed from them.</summary>
    /// <param name="feature">What is missing, in a few words: <c>a user namespace</c>.</param>
    /// <param name="reason">What blocks it on this host: <c>user.max_user_namespaces is 0</c>.</param>
    /// <param name="remedy">What to do about it: one sentence, or null.</param>
    /// <param name="since">The kernel version that has it, or null where the version is not what blocks it.</param>
    public KernelFeatureException(string feature, string reason, string? remedy = null, KernelVersion? since = null)
        : base(Compose(feature, reason, remedy, since), remedy)
    {
        Feature = feature;
        Reason = reason;
        Since = since;
    }

    /// <summary>What is missing.</summary>
    public string Feature { get; }

    /// <summary>What blocks it on this host.</summary>
    public string Reason { get; }

    /// <summary>The first kernel version that has it, or null where the version is not what blocks it.</summary>
    public KernelVersion? Since { get; }

    /// <summary>The version of the running kernel.</summary>
    public KernelVersion Running { get; } = KernelVersion.Running;

    private static string Compose(string feature, string reason, string? remedy, KernelVersion? since)
    {
        string needs = since is { } v ? $" It needs Linux {v}; this is {KernelVersion.Running}." : "";
        return $"This host cannot provide {feature}: {reason.TrimEnd('.')}.{needs}{LinuxException.Sentence(remedy)}";
    }
}
