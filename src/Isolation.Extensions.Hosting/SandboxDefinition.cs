using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Extensions.Hosting;

/// <summary>A named kind of container: what its builder begins with. In configuration, a section of <c>Sandboxes</c>; each property is a
/// key. What is null is left as <see cref="ContainerDefaults"/> has it.</summary>
public sealed class SandboxDefinition
{
    /// <summary>The root file system. In configuration: <c>host</c>, an absolute path, or a list of paths, the topmost first, laid over
    /// each other.</summary>
    public Rootfs? Rootfs { get; set; }

    /// <summary>The program and its arguments. In configuration a list; a single text is the program alone, and is not split.</summary>
    public IList<string> Command { get; } = [];

    /// <summary>Environment variables.</summary>
    public IDictionary<string, string> Environment { get; } = new Dictionary<string, string>(StringComparer.Ordinal);

    /// <summary>The working directory inside the root.</summary>
    public string? WorkingDirectory { get; set; }

    /// <summary>The user that the program runs as: <c>USER</c> or <c>USER:GROUP</c>.</summary>
    public string? User { get; set; }

    /// <summary>The host name that the container sees.</summary>
    public string? HostName { get; set; }

    /// <summary>The name of its control group, <c>isolation-NAME</c>: only one container at a time can have it.</summary>
    public string? Name { get; set; }

    /// <summary>Whether the root mount is read-only.</summary>
    public bool? ReadOnlyRoot { get; set; }

    /// <summary>What is mounted beside the defaults. In configuration a list of sections: <c>Source</c> (none for a tmpfs),
    /// <c>Destination</c>, <c>ReadOnly</c> (true unless said otherwise for a source), <c>Size</c> (of a tmpfs).</summary>
    public IList<Mount> Mounts { get; } = [];

    /// <summary>The capabilities of the program. In configuration a list of names; <c>none</c> for none.</summary>
    public CapabilitySet? Capabilities { get; set; }

    /// <summary>Whether set-user-ID programs and file capabilities work.</summary>
    public bool? AllowNewPrivileges { get; set; }

    /// <summary>The most memory that it may use. In configuration such as <c>256MiB</c>.</summary>
    public ByteSize? MemoryMax { get; set; }

    /// <summary>The most swap that it may use.</summary>
    public ByteSize? MemorySwapMax { get; set; }

    /// <summary>How many processes and threads it may have. In configuration a number, or <c>max</c>.</summary>
    public CgroupLimit? PidsMax { get; set; }

    /// <summary>How many processors it may use: 0.5 is half of one.</summary>
    public double? Cpus { get; set; }

    /// <summary>How much CPU time it may use. In configuration such as <c>00:00:10</c>.</summary>
    public TimeSpan? CpuTimeMax { get; set; }

    /// <summary>How much it may write to both outputs, where they pass through this process.</summary>
    public ByteSize? OutputMax { get; set; }

    /// <summary>How long it may run. In configuration such as <c>00:00:30</c>.</summary>
    public TimeSpan? Timeout { get; set; }

    /// <summary>Its network; null for none. In configuration: <c>none</c>, <c>host</c>, <c>user-mode</c>, or the name of a bridge
    /// network.</summary>
    public ContainerNetwork? Network { get; set; }

    /// <summary>Whether it uses the host's network, and is not isolated there. In configuration: <c>Network</c> is <c>host</c>.</summary>
    public bool SharesHostNetwork { get; set; }

    /// <summary>Ports of the host that lead to it. In configuration a list such as <c>127.0.0.1:8080:80</c>.</summary>
    public IList<PublishedPort> Ports { get; } = [];

    /// <summary>Changes the builder last: for what has no property here. Not in configuration.</summary>
    public Func<ContainerBuilder, ContainerBuilder>? Configure { get; set; }

    /// <summary>The section that it was read from; null for one that was made in code.</summary>
    internal string? Section { get; set; }

    /// <summary>The builder that it describes.</summary>
    internal ContainerBuilder ToBuilder()
    {
        var builder = new ContainerBuilder(Rootfs ?? throw new InvalidOperationException("The definition has no root file system."));
        if (Command.Count > 0)
            builder = builder.WithCommand(Command[0], Command.Skip(1));
        foreach ((string name, string value) in Environment)
            builder = builder.AddEnvironment(name, value);
        builder = WithProcess(builder);
        return Configure is null ? WithLimits(builder) : Configure(WithLimits(builder));
    }

    private ContainerBuilder WithProcess(ContainerBuilder builder)
    {
        if (WorkingDirectory is { } directory)
            builder = builder.WithWorkingDirectory(directory);
        if (User is { } user)
            builder = builder.WithUser(user);
        if (HostName is { } host)
            builder = builder.WithHostName(host);
        if (Name is { } name)
            builder = builder.WithName(name);
        if (ReadOnlyRoot is { } readOnly)
            builder = readOnly ? builder.WithReadOnlyRoot() : builder.WithWritableRoot();
        if (Capabilities is { } capabilities)
            builder = builder.WithCapabilities(capabilities);
        if (AllowNewPrivileges is { } allowed)
            builder = allowed ? builder.AllowNewPrivileges() : builder.WithNoNewPrivileges();
        if (SharesHostNetwork)
            builder = builder.WithNamespacesSharedWithHost(NamespaceKinds.Net);
        if (Network is { } network)
            builder = builder.WithNetwork(network);
        builder = Ports.Aggregate(builder, (b, port) => b.AddPublishedPort(port));
        return Mounts.Aggregate(builder, (b, mount) => b.AddMount(mount));
    }

    private ContainerBuilder WithLimits(ContainerBuilder builder)
    {
        if (MemoryMax is { } memory)
            builder = builder.WithMemoryMax(memory);
        if (MemorySwapMax is { } swap)
            builder = builder.WithMemorySwapMax(swap);
        if (PidsMax is { } pids)
            builder = builder.WithPidsMax(pids);
        if (Cpus is { } cpus)
            builder = builder.WithCpus(cpus);
        if (CpuTimeMax is { } cpuTime)
            builder = builder.WithCpuTimeMax(cpuTime);
        if (OutputMax is { } output)
            builder = builder.WithOutputMax(output);
        return Timeout is { } timeout ? builder.WithTimeout(timeout) : builder;
    }
}
