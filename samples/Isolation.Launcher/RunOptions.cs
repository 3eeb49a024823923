using System.Collections.Immutable;
using System.Globalization;
using Isolation.Cgroups;
using Isolation.Containers;
using Isolation.Linux;
using Isolation.Namespaces;
using Isolation.Security;

namespace Isolation.Launcher;

/// <summary>What the flags of <c>run</c> say.</summary>
internal sealed record RunOptions
{
    /// <summary>Devices without letters of access, which are allowed whole also where there are rules.</summary>
    private ImmutableArray<DeviceRule> WholeDevices { get; init; } = [];

    private ImmutableArray<Func<ContainerBuilder, ContainerBuilder>> Configurations { get; init; } = [];

    private ImmutableArray<Mount> Mounts { get; init; } = [];

    private bool IsRoot { get; init; } = true;

    internal string? Rootfs { get; init; }

    internal bool ReadOnly { get; init; }

    internal string HostName { get; init; } = "container";

    internal ImmutableArray<string> AddedCapabilities { get; init; } = [];

    internal ImmutableArray<string> DroppedCapabilities { get; init; } = [];

    internal bool Privileged { get; init; }

    internal SecurityOptions Security { get; init; } = new();

    internal NamespaceKinds SharedWithHost { get; init; }

    internal NetworkOptions Network { get; init; } = new();

    internal bool Terminal { get; init; }

    /// <summary>Whether the command gets standard input.</summary>
    internal bool Interactive { get; init; } = true;

    internal ResourceOptions Resources { get; init; } = new();

    internal ImmutableArray<DeviceRule> DeviceRules { get; init; } = [];

    internal bool Plan { get; init; }

    internal bool Times { get; init; }

    internal ByteSize? OutputMax { get; init; }

    internal ImmutableArray<string> Command { get; init; } = [];

    /// <summary>The flags, as they were given.</summary>
    internal ImmutableArray<GivenFlag> Given { get; init; } = [];

    /// <summary>What a command line says.</summary>
    internal static RunOptions From(CommandLine line) => From(line.Given, line.Operands);

    /// <summary>The same command line without one of its flags.</summary>
    private RunOptions Without(GivenFlag flag) => From(Given.Remove(flag), Command);

    private static RunOptions From(ImmutableArray<GivenFlag> given, ImmutableArray<string> command) =>
        CommandLine.Apply(given, new RunOptions
        {
            Command = command,
            Given = given,
            Resources = CommandLine.Apply(given, new ResourceOptions()),
            Network = CommandLine.Apply(given, new NetworkOptions()),
        });

    /// <summary>Makes the plan; what it refuses is told with the flags that have asked for it.</summary>
    internal LaunchPlan MakePlan()
    {
        try
        {
            return ToBuilder(HostFacts.Current).Plan();
        }
        catch (Exception e) when (Failure.IsExpected(e) && !e.Message.StartsWith("The flag", StringComparison.Ordinal)
            && Blame(e) is { Length: > 0 } flags)
        {
            throw new UsageException($"The flag{(flags.Length > 1 ? "s" : "")} {string.Join(" and ", flags)}: {Failure.Reason(e)}");
        }
    }

    /// <summary>The flags without which there would not be this failure.</summary>
    private ImmutableArray<string> Blame(Exception failure)
    {
        string[] reasons = Reasons(failure);
        return [.. Given.Where(g => reasons.Except(Reasons(Try(() => Without(g).ToBuilder(HostFacts.Current).Plan()))).Any())
            .Select(g => g.Name).Distinct()];
    }

    private static string[] Reasons(Exception? e) => e switch
    {
        null => [],
        SpecException spec => [.. spec.Faults.Select(f => f.ToString())],
        _ => [e.Message],
    };

    private static Exception? Try(Func<LaunchPlan> plan)
    {
        try
        {
            plan();
            return null;
        }
        catch (Exception e) when (Failure.IsExpected(e))
        {
            return e;
        }
    }

    /// <summary>Notes a change to the builder, and tries it at once, so that a bad value is told with its flag.</summary>
    internal RunOptions Configure(Func<ContainerBuilder, ContainerBuilder> configure)
    {
        configure(new ContainerBuilder(Containers.Rootfs.Host));
        return this with { Configurations = Configurations.Add(configure) };
    }

    /// <summary>Notes a mount, and tries it at once.</summary>
    internal RunOptions AddMount(Mount mount)
    {
        new ContainerBuilder(Containers.Rootfs.Host).AddMount(mount);
        return this with { Mounts = Mounts.Add(mount) };
    }

    internal RunOptions WithUser(string user) =>
        Configure(b => b.WithUser(user)) with { IsRoot = user.Split(':')[0].TrimStart('0') is "" or "root" };

    /// <summary>Makes a device visible, and lets it be used.</summary>
    internal RunOptions AddDevice(string text)
    {
        string[] parts = text.Split(':');
        bool hasAccess = parts.Length > 1 && !parts[^1].StartsWith('/');
        string[] paths = hasAccess ? parts[..^1] : parts;
        if (paths.Length is < 1 or > 2 || !paths.All(p => p.StartsWith('/')))
            throw new FormatException($"\"{text}\" is not SRC, SRC:DST or SRC:DST:rwm.");
        DeviceAccess access = hasAccess ? DeviceRule.ParseAccess(parts[^1]) : DeviceAccess.All;
        RunOptions options = AddMount(new DeviceMount(paths[0], paths[^1]));
        // All of it is what the library allows by itself; one that is not there is told by the launch, with its step.
        if (!Path.Exists(paths[0]))
            return options;
        return hasAccess
            ? options with { DeviceRules = DeviceRules.Add(DeviceRule.Of(paths[0], access)) }
            : options with { WholeDevices = WholeDevices.Add(DeviceRule.Of(paths[0])) };
    }

    internal RunOptions WithNamespace(NamespaceKinds kind, string text)
    {
        if (text is "none" or "private")
            return this;
        if (text == "host")
            return this with { SharedWithHost = SharedWithHost | kind };
        const string Container = "container:";
        if (!text.StartsWith(Container, StringComparison.Ordinal) || text.Length == Container.Length)
            throw new FormatException($"\"{text}\" is not host, none, container:NAME or container:PID.");
        // Held from here on: the number could be another process's by the time of the start.
        PidHandle process = RunningContainers.OpenProcess(text[Container.Length..]);
        return Configure(b => b.AddJoinedNamespaces(kind, process));
    }

    internal ContainerBuilder ToBuilder(HostFacts facts)
    {
        if (Command.IsEmpty)
            throw new UsageException("run needs a command.");
        ContainerBuilder builder = new ContainerBuilder(ChooseRootfs());
        builder = (Privileged ? builder.WithPrivileged() : builder)
            .WithCommand(Command[0], Command.Skip(1))
            .WithNamespacesSharedWithHost(Network.SharedWithHost ? SharedWithHost | NamespaceKinds.Net : SharedWithHost)
            .WithCapabilities(ChooseState(facts))
            .WithTerminal(Terminal)
            .WithStepTimes(Times);
        builder = ReadOnly ? builder.WithReadOnlyRoot() : builder.WithWritableRoot();
        builder = Security.NoNewPrivileges ?? !Privileged ? builder.WithNoNewPrivileges() : builder.AllowNewPrivileges();
        builder = Security.Apply(builder, Privileged, ChooseCapabilities(facts));
        if (!SharedWithHost.HasFlag(NamespaceKinds.Uts))
            builder = builder.WithHostName(HostName);
        if (!Terminal && Interactive)
            builder = builder.WithStandardInput(Stdio.Inherit);
        if (OutputMax is not null)
            builder = builder.WithOutputMax(OutputMax is { IsMax: true } ? null : OutputMax);
        // What is counted passes through this process.
        if (OutputMax is { IsMax: false } && !Terminal)
            builder = builder.WithStandardOutput(StandardStream.OpenOutput()).WithStandardError(StandardStream.OpenError());
        foreach (CgroupSetting setting in Resources.ToSettings())
            builder = builder.With(setting);
        // Docker's list and what the flags add; the library adds the devices that are mounted only where nothing is said of rules.
        if (!Privileged && !DeviceRules.IsEmpty)
            builder = builder.WithDeviceRules(DeviceRule.DockerDefault.Concat(WholeDevices).Concat(DeviceRules));
        builder = Configurations.Aggregate(builder, (b, configure) => configure(b));
        // By the number of parts of their destinations, as docker sorts them (type mounts of moby's daemon): none hides another that lies
        // below it.
        return Network.Apply(Mounts.OrderBy(m => m.Destination.Split('/', StringSplitOptions.RemoveEmptyEntries).Length)
            .Aggregate(builder, (b, m) => b.AddMount(m)));
    }

    private Rootfs ChooseRootfs()
    {
        bool writesThrough = Rootfs is not null && Rootfs.EndsWith(":rw", StringComparison.Ordinal);
        if (Rootfs is null)
            return Containers.Rootfs.Host;
        return writesThrough
            ? Containers.Rootfs.Directory(Path.GetFullPath(Rootfs[..^3]))
            : Containers.Rootfs.Overlay(Path.GetFullPath(Rootfs));
    }

    private CapabilitySet ChooseCapabilities(HostFacts facts)
    {
        CapabilitySet all = facts.IsPrivileged ? facts.KnownCapabilities.Intersect(facts.Capabilities) : facts.KnownCapabilities;
        CapabilitySet set = Privileged ? all : CapabilitySet.DockerDefault;
        if (DroppedCapabilities.Any(IsAll))
            set = CapabilitySet.None;
        if (AddedCapabilities.Any(IsAll))
            set = all;
        foreach (string name in DroppedCapabilities.Where(n => !IsAll(n)))
            set = set.Remove(Parse("--cap-drop", name));
        foreach (string name in AddedCapabilities.Where(n => !IsAll(n)))
            set = set.Add(Parse("--cap-add", name));
        return set;
    }

    /// <summary>Another user than root gets the capabilities that were added by name as ambient ones, as Podman has it (security_linux.go
    /// of its specgen/generate); those of the default set only bound what files may give, as docker has it.</summary>
    private CapabilityState ChooseState(HostFacts facts)
    {
        CapabilitySet all = ChooseCapabilities(facts);
        if (IsRoot || AddedCapabilities.IsEmpty)
            return CapabilityState.Of(all);
        CapabilitySet added = AddedCapabilities.Any(IsAll) ? all
            : CapabilitySet.Of([.. AddedCapabilities.Select(n => Parse("--cap-add", n))]);
        return new CapabilityState(all, added, added, added, added);
    }

    private static bool IsAll(string name) => string.Equals(name, "ALL", StringComparison.OrdinalIgnoreCase);

    private static Capability Parse(string flag, string name)
    {
        try
        {
            return CapabilitySet.ParseName(name);
        }
        catch (FormatException e)
        {
            throw new UsageException($"The flag {flag}: {e.Message}");
        }
    }
}
