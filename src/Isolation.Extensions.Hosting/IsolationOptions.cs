namespace Isolation.Extensions.Hosting;

/// <summary>What a host knows of containers: named definitions, and the services that it keeps running.</summary>
public sealed class IsolationOptions
{
    /// <summary>Definitions by name; the case of a name does not matter.</summary>
    public IDictionary<string, SandboxDefinition> Sandboxes { get; } =
        new Dictionary<string, SandboxDefinition>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Services by name.</summary>
    public IDictionary<string, ContainerServiceOptions> Services { get; } =
        new Dictionary<string, ContainerServiceOptions>(StringComparer.OrdinalIgnoreCase);

    /// <summary>Faults of the configuration that they were read from.</summary>
    internal List<string> Faults { get; } = [];

    /// <summary>The definition with a name, made where there is none yet.</summary>
    public SandboxDefinition Sandbox(string name) => Find(Sandboxes, name);

    internal ContainerServiceOptions Service(string name) => Find(Services, name);

    private static T Find<T>(IDictionary<string, T> all, string name)
        where T : new()
    {
        ArgumentException.ThrowIfNullOrEmpty(name);
        if (!all.TryGetValue(name, out T? found))
            all[name] = found = new T();
        return found;
    }
}
